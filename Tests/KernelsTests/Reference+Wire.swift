// SPDX-License-Identifier: Apache-2.0
// epsim: the fp8 encoding once more, by search.

import Foundation
import Kernels

extension Reference {
  /// The values of the codes 0 to 0x7E, from the definition of E4M3.
  static let fp8Magnitudes: [Double] = (0...0x7e).map { code in
    let (exponent, fraction) = (code >> 3, Double(code & 7) / 8)
    return exponent == 0 ? fraction * pow(2, -6) : (1 + fraction) * pow(2, Double(exponent - 7))
  }

  /// What a code is worth.
  static func fp8Value(_ code: UInt8) -> Double {
    let magnitude = code & 0x7f == 0x7f ? Double.nan : fp8Magnitudes[Int(code & 0x7f)]
    return code & 0x80 == 0 ? magnitude : -magnitude
  }

  /// The code nearest to a value, of two equally near ones the even one; infinity becomes NaN.
  static func fp8(_ value: Float) -> UInt8 {
    let sign: UInt8 = value.sign == .minus ? 0x80 : 0
    guard value.isFinite else { return sign | 0x7f }
    let magnitude = Double(value.magnitude)
    var best: UInt8 = 0
    var bestDistance = Double.infinity
    for code in 0...UInt8(0x7e) {
      let distance = abs(fp8Magnitudes[Int(code)] - magnitude)
      if distance < bestDistance || (distance == bestDistance && code % 2 == 0) {
        (best, bestDistance) = (code, distance)
      }
    }
    return sign | best
  }

  /// The scale of a block.
  static func fp8Scale(_ block: ArraySlice<Float>) -> Float {
    let largest = block.filter(\.isFinite).map(\.magnitude).max() ?? 0
    return max(largest / 448, .leastNormalMagnitude)
  }

  /// The blocks of a row, the last one perhaps short.
  static func fp8Blocks(_ row: [Float]) -> [ArraySlice<Float>] {
    stride(from: 0, to: row.count, by: 128).map { row[$0..<min($0 + 128, row.count)] }
  }

  /// A row as bytes: the codes, then the scales.
  static func fp8Row(_ row: [Float]) -> [UInt8] {
    let blocks = fp8Blocks(row)
    let codes = blocks.flatMap { block in
      let factor = 1 / fp8Scale(block)
      // An infinity must not meet a factor that underflows; it is NaN whatever the scale.
      return block.map { fp8($0.isFinite ? $0 * factor : $0) }
    }
    return codes + bytes(blocks.map(fp8Scale), as: .f32)
  }

  /// The values of an encoded row.
  static func fp8Values(_ row: [UInt8], length: Int) -> [Float] {
    (0..<length).map { i in
      let scale = floats(Array(row[(length + i / 128 * 4)...].prefix(4)), as: .f32)[0]
      return Float(fp8Value(row[i])) * scale
    }
  }
}
