// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the wire formats of rows.

import Kernels
import Testing

@Suite struct WireFormatTests {
  /// Short last blocks and none, odd row sizes: scales lie at any address.
  static let lengths = [1, 5, 127, 128, 129, 256, 300]

  /// Rows of every magnitude and kind of value that an encoding can meet.
  private static func rows(length: Int, using random: inout SeededGenerator) -> [[Float]] {
    var rows: [[Float]] = []
    for exponent in [-149, -140, -126, -120, -60, -3, 0, 9, 60, 127] {
      let unit = Float(sign: .plus, exponent: exponent, significand: 1)
      rows.append(random.floats(length).map { $0 * unit })
      // Many magnitudes in one block.
      rows.append(
        random.floats(length).map { value in
          value * unit
            * Float(sign: .plus, exponent: -Int.random(in: 0...24, using: &random), significand: 1)
        })
    }
    rows.append(
      (0..<length).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: random.next())) })
    rows.append([Float](repeating: 0, count: length))
    rows.append([Float](repeating: -0.0, count: length))
    rows.append([Float](repeating: .nan, count: length))
    rows.append([Float](repeating: -.infinity, count: length))
    let specials: [Float] = [
      .nan, -.nan, .infinity, -.infinity, 0, -0.0, .leastNonzeroMagnitude, -.leastNormalMagnitude,
      .greatestFiniteMagnitude, -.greatestFiniteMagnitude, 1, -3,
    ]
    rows.append((0..<length).map { _ in specials.randomElement(using: &random)! })
    rows.append((0..<length).map { _ in specials[..<8].randomElement(using: &random)! })
    return rows
  }

  /// Encoded rows that begin `offset` bytes into their buffer; its other bytes stay untouched.
  private func encode(
    _ rows: [[Float]], length: Int, indices: [Int32]? = nil, wire: WireFormat, offset: Int = 0
  ) -> [UInt8] {
    let indices = indices ?? rows.indices.map(Int32.init)
    let count = indices.count * wire.rowBytes(length: length)
    var buffer = [UInt8](repeating: 0xab, count: offset + count + 1)
    buffer.withUnsafeMutableBytes {
      RowKernels.encode(
        rows: indices.count, length: length, indices: indices, from: rows.flatMap { $0 },
        wire: wire, into: $0.baseAddress! + offset)
    }
    #expect(buffer.last == 0xab && buffer[..<offset].allSatisfy { $0 == 0xab })
    return Array(buffer[offset..<(offset + count)])
  }

  private func decode(
    _ encoded: [UInt8], length: Int, indices: [Int32], wire: WireFormat, type: ElementType,
    offset: Int = 0
  ) -> [UInt8] {
    let count = indices.count * length * type.byteCount
    var result = [UInt8](repeating: 0xcd, count: count + 1)
    let source = [UInt8](repeating: 0, count: offset) + encoded
    source.withUnsafeBytes {
      RowKernels.decode(
        rows: indices.count, length: length, indices: indices, from: $0.baseAddress! + offset,
        wire: wire, into: &result, type: type)
    }
    #expect(result.last == 0xcd)
    return Array(result[..<count])
  }

  /// Equality of values that tells -0 from 0 and the sign of a NaN, but not its other bits.
  private func same(_ a: [Float], _ b: [Float]) -> Bool {
    a.count == b.count
      && zip(a, b).allSatisfy {
        $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN && $0.sign == $1.sign)
      }
  }

  @Test func aRowHasItsCodesAndOneScaleForEachBlock() {
    #expect(WireFormat.fp8BlockLength == 128)
    #expect(
      [0, 1, 127, 128, 129, 256, 2048].map { WireFormat.fp8.rowBytes(length: $0) }
        == [0, 5, 131, 132, 137, 264, 2112])
    #expect(WireFormat.bf16.rowBytes(length: 300) == 600)
    #expect(WireFormat.f32.rowBytes(length: 300) == 1200)
  }

  @Test func everyCodeHasItsValue() {
    let codes = (0...UInt8.max).map { $0 }
    for scales: [Float] in [[1, 1], [0x1p-120, 0.1], [3e35, .leastNormalMagnitude]] {
      let row = codes + bytes(scales, as: .f32)
      let values = codes.map { Float(Reference.fp8Value($0)) * scales[$0 < 128 ? 0 : 1] }
      let wide = decode(row, length: 256, indices: [0], wire: .fp8, type: .f32)
      #expect(same(floats(wide, as: .f32), values))
      let narrow = decode(row, length: 256, indices: [0], wire: .fp8, type: .bf16)
      #expect(same(floats(narrow, as: .bf16), values.map { Reference.stored($0, as: .bf16) }))
    }
  }

  @Test func everyCodeSurvivesTheWayThroughFloat() {
    // The 448 in either block makes both scales 1.
    let codes = (0...UInt8.max).map { $0 }
    let row = codes.map { code in
      let value = Float(Reference.fp8Value(code).magnitude)
      return code < 128 ? value : -value
    }
    #expect(encode([row], length: 256, wire: .fp8) == codes + bytes([1, 1], as: .f32))
  }

  @Test(arguments: lengths) func encodingIsToTheNearestCode(length: Int) {
    var random = SeededGenerator(seed: 50)
    let rows = Self.rows(length: length, using: &random)
    let expected = rows.flatMap(Reference.fp8Row)
    for offset in 0..<4 {
      let encoded = encode(rows, length: length, wire: .fp8, offset: offset)
      #expect(encoded == expected, "rows of \(length) values, \(offset) bytes off")
    }
  }

  @Test func tiesAreToTheEvenCode() {
    let magnitudes = Reference.fp8Magnitudes
    for i in 1..<magnitudes.count {
      let middle = Float((magnitudes[i - 1] + magnitudes[i]) / 2)
      // 448 makes the scale 1.
      let row = [448, middle, -middle, middle.nextUp, middle.nextDown]
      let even = UInt8(i % 2 == 0 ? i : i - 1)
      let codes = [0x7e, even, even | 0x80, UInt8(i), UInt8(i - 1)]
      #expect(encode([row], length: 5, wire: .fp8) == codes + bytes([1], as: .f32))
    }
  }

  @Test func infinitiesBecomeNaNAndLeaveTheirBlockAlone() {
    let row: [Float] = [.infinity, -.infinity, .nan, -.nan, 448, -0.0, 0, 2]
    #expect(
      encode([row], length: 8, wire: .fp8)
        == [0x7f, 0xff, 0x7f, 0xff, 0x7e, 0x80, 0, 0x40] + bytes([1], as: .f32))
  }

  @Test(arguments: lengths) func theErrorIsWithinItsBounds(length: Int) {
    var random = SeededGenerator(seed: 51)
    let rows = Self.rows(length: length, using: &random)
    let encoded = encode(rows, length: length, wire: .fp8)
    let decoded = floats(
      decode(
        encoded, length: length, indices: rows.indices.map(Int32.init), wire: .fp8, type: .f32),
      as: .f32)
    for (r, row) in rows.enumerated() {
      for block in Reference.fp8Blocks(row) {
        let scale = Double(Reference.fp8Scale(block))
        let slack = 1 + 0x1p-17
        for i in block.indices {
          let (value, after) = (Double(row[i]), Double(decoded[r * length + i]))
          guard value.isFinite else {
            #expect(after.isNaN)
            continue
          }
          let (size, error) = (abs(value), abs(after - value))
          let bound = size >= 0x1p-6 * scale ? 0x1p-4 * size : 0x1p-10 * scale
          #expect(error <= min(bound, 16 * scale) * slack + 0x1p-149, "\(value)")
        }
      }
    }
  }

  @Test(arguments: WireFormat.allCases, ElementType.allCases)
  func decodingCollectsRowsByIndex(wire: WireFormat, type: ElementType) {
    var random = SeededGenerator(seed: 52)
    for length in Self.lengths {
      let rows = (0..<11).map { _ in random.floats(length) }
      let encoded = encode(rows, length: length, wire: wire)
      let carried = rows.map { row -> [Float] in
        switch wire {
        case .f32: row
        case .bf16: row.map { Reference.stored($0, as: .bf16) }
        case .fp8: Reference.fp8Values(Reference.fp8Row(row), length: length)
        }
      }
      for count in [0, 1, 4, 5, 30] {
        let indices = random.indices(count, below: 11)
        let expected = indices.flatMap { carried[Int($0)] }
        for offset in wire == .fp8 ? [0, 1, 2, 3] : [0] {
          let decoded = decode(
            encoded, length: length, indices: indices, wire: wire, type: type, offset: offset)
          #expect(decoded == bytes(expected, as: type), "\(count) rows of \(length)")
        }
      }
    }
  }

  @Test(arguments: WireFormat.allCases, ElementType.allCases)
  func gatheringThroughAWireIsEncodingAndDecoding(wire: WireFormat, type: ElementType) {
    var random = SeededGenerator(seed: 53)
    for length in Self.lengths {
      let rows = Self.rows(length: length, using: &random)
      for count in [0, 1, 4, 7, 40] {
        let indices = random.indices(count, below: rows.count)
        let encoded = encode(rows, length: length, indices: indices, wire: wire)
        let expected = decode(
          encoded, length: length, indices: (0..<Int32(count)).map { $0 }, wire: wire, type: type)
        var result = [UInt8](repeating: 0xef, count: expected.count + 1)
        RowKernels.gather(
          rows: count, length: length, indices: indices, from: rows.flatMap { $0 }, through: wire,
          into: &result, type: type)
        #expect(result == expected + [0xef], "\(count) rows of \(length)")
      }
    }
  }

  @Test func wiresInF32AndBF16CarryTheStoredValues() {
    var random = SeededGenerator(seed: 54)
    for length in Self.lengths {
      let rows = Self.rows(length: length, using: &random)
      let indices = random.indices(9, below: rows.count)
      let expected = indices.flatMap { rows[Int($0)] }
      for (wire, type) in [(WireFormat.f32, ElementType.f32), (.bf16, .bf16)] {
        #expect(
          encode(rows, length: length, indices: indices, wire: wire) == bytes(expected, as: type))
      }
    }
  }
}
