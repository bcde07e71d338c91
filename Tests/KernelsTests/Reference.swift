// SPDX-License-Identifier: Apache-2.0
// epsim: every kernel once more, slow and obvious, in Double.

import Foundation
import Kernels

/// What the kernels should compute, straight from the definitions.
enum Reference {
  /// The bf16 nearest to a value, as its bits: of two equally near ones the even one.
  static func bf16(_ value: Float) -> UInt16 {
    let truncated = UInt16(value.bitPattern >> 16)
    if value.isNaN { return truncated | 0x40 }
    if value.isInfinite { return truncated }
    let below = float(truncated)
    let above = float(truncated + 1)
    // The step to infinity is as long as the one before it.
    let aboveValue =
      above.isInfinite ? Double(below) * 2 - Double(float(truncated - 1)) : Double(above)
    let toBelow = abs(Double(value) - Double(below))
    let toAbove = abs(aboveValue - Double(value))
    if toBelow == toAbove { return truncated % 2 == 0 ? truncated : truncated + 1 }
    return toBelow < toAbove ? truncated : truncated + 1
  }

  static func float(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

  /// A value as storage of `type` keeps it.
  static func stored(_ value: Float, as type: ElementType) -> Float {
    type == .bf16 ? float(bf16(value)) : value
  }

  /// x [n, K] times w [K, N], and the sum of absolute terms that rounding errors scale with.
  static func product(
    _ x: [Double], _ w: [Double], rows: Int, inputSize: Int, outputSize: Int
  ) -> (y: [Double], magnitude: [Double]) {
    var y = [Double](repeating: 0, count: rows * outputSize)
    var magnitude = y
    for i in 0..<rows {
      for k in 0..<inputSize {
        let factor = x[i * inputSize + k]
        for j in 0..<outputSize {
          let term = factor * w[k * outputSize + j]
          y[i * outputSize + j] += term
          magnitude[i * outputSize + j] += abs(term)
        }
      }
    }
    return (y, magnitude)
  }

  static func silu(_ x: Double) -> Double { x / (1 + exp(-x)) }

  static func gelu(_ x: Double) -> Double {
    0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * pow(x, 3))))
  }

  /// y = W2 (silu(W1 x) * (W3 x)), or the like; gateUp is [H, 2F] or [H, F], down is [F, H].
  static func expert(
    _ x: [Double], gateUp: [Double], down: [Double], rows: Int, hiddenSize: Int, ffnSize: Int,
    activation: ExpertFFN.Activation = .swiGLU
  ) -> [Double] {
    let columns = gateUp.count / hiddenSize
    let between = product(
      x, gateUp, rows: rows, inputSize: hiddenSize, outputSize: columns
    ).y
    var activated: [Double] = []
    for i in 0..<rows {
      for f in 0..<ffnSize {
        let first = between[i * columns + f]
        switch activation {
        case .swiGLU: activated.append(silu(first) * between[i * columns + ffnSize + f])
        case .geGLU: activated.append(gelu(first) * between[i * columns + ffnSize + f])
        case .reLU: activated.append(first > 0 ? first : 0)
        case .squaredReLU: activated.append(first > 0 ? first * first : 0)
        }
      }
    }
    return product(
      activated, down, rows: rows, inputSize: ffnSize, outputSize: hiddenSize
    ).y
  }

  /// The hash as `RowKernels.rowHash` documents it, one value pair at a time.
  static func rowHash(tokens: [UInt64], rows: [[Float]]) -> UInt64 {
    func mix(_ value: UInt64) -> UInt64 {
      var mixed = value
      mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
      return mixed ^ (mixed >> 31)
    }
    var sum: UInt64 = 0
    for (token, row) in zip(tokens, rows) {
      var state = mix(token &+ 0x9e37_79b9_7f4a_7c15)
      for i in stride(from: 0, to: row.count, by: 2) {
        let low = UInt64(row[i].bitPattern)
        let high = i + 1 < row.count ? UInt64(row[i + 1].bitPattern) : 0
        state = (state ^ (high << 32 | low)) &* 0x9fb2_1c65_1e98_df25
        state ^= state >> 32
      }
      sum &+= mix(state)
    }
    return sum
  }
}
