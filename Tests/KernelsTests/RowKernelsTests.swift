// SPDX-License-Identifier: Apache-2.0
// epsim: tests of conversion, gather and scatter.

import Kernels
import Testing

@Suite struct RowKernelsTests {
  private func convert(_ values: [Float]) -> [UInt16] {
    var result = [UInt16](repeating: 0, count: values.count)
    RowKernels.convert(count: values.count, from: values, type: .f32, into: &result, type: .bf16)
    return result
  }

  @Test func roundingIsToTheNearestAndOfTiesToTheEven() {
    var random = SeededGenerator(seed: 20)
    var values = (0..<20_000).map { _ in
      Float(bitPattern: UInt32(truncatingIfNeeded: random.next()))
    }
    // Halfway between two bf16 values, and one unit to either side.
    for upper in stride(from: UInt32(0), to: 0x1_0000, by: 37) {
      for lower: UInt32 in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
        values.append(Float(bitPattern: upper << 16 | lower))
      }
    }
    #expect(convert(values) == values.map(Reference.bf16))
  }

  @Test func infinitiesStayAndOverflowBecomesInfinity() {
    let largest = Float.greatestFiniteMagnitude
    #expect(
      convert([.infinity, -.infinity, largest, -largest]) == [0x7f80, 0xff80, 0x7f80, 0xff80])
  }

  @Test func notANumberStaysQuietlyNotANumber() {
    let payloads: [UInt32] = [0x7f80_0001, 0xff80_0001, 0x7fff_ffff, 0xffff_ffff, 0x7fc0_0000]
    for value in convert(payloads.map { Float(bitPattern: $0) }) {
      #expect(Reference.float(value).isNaN)
      #expect(value & 0x40 != 0)
    }
  }

  @Test func everyBF16SurvivesTheWayThroughFloat() {
    let all = (0...UInt16.max).map { $0 }
    var wide = [Float](repeating: 0, count: all.count)
    RowKernels.convert(count: all.count, from: all, type: .bf16, into: &wide, type: .f32)
    #expect(bits(wide) == all.map { UInt32($0) << 16 })
    let back = convert(wide)
    #expect(
      zip(all, back).allSatisfy { Reference.float($0).isNaN ? $1 == $0 | 0x40 : $1 == $0 })
  }

  @Test func arraysOfAnyLengthConvertWithoutTouchingTheirNeighbours() {
    var random = SeededGenerator(seed: 21)
    for count in 0...70 {
      let values = random.floats(count)
      var narrow = [UInt16](repeating: 9, count: count + 1)
      RowKernels.convert(count: count, from: values, type: .f32, into: &narrow, type: .bf16)
      #expect(narrow == values.map(Reference.bf16) + [9])
      var wide = [Float](repeating: 9, count: count + 1)
      RowKernels.convert(count: count, from: narrow, type: .bf16, into: &wide, type: .f32)
      #expect(wide == narrow.dropLast().map(Reference.float) + [9])
      var copy = [Float](repeating: 9, count: count + 1)
      RowKernels.convert(count: count, from: values, type: .f32, into: &copy, type: .f32)
      #expect(copy == values + [9])
    }
  }

  @Test(arguments: ElementType.allCases, ElementType.allCases)
  func gatherCollectsRowsByIndexBetweenTypes(from source: ElementType, to target: ElementType) {
    var random = SeededGenerator(seed: 22)
    for length in [1, 5, 63, 64, 65, 127, 128, 200] {
      let values = random.floats(11 * length)
      for rows in [0, 1, 3, 4, 5, 9, 30] {
        let indices = random.indices(rows, below: 11)
        var result = [UInt8](repeating: 0xab, count: rows * length * target.byteCount + 1)
        RowKernels.gather(
          rows: rows, length: length, indices: indices, from: bytes(values, as: source),
          type: source, into: &result, type: target)
        let expected = indices.flatMap { index in
          values[Int(index) * length..<(Int(index) + 1) * length].map {
            Reference.stored($0, as: source)
          }
        }
        #expect(result == bytes(expected, as: target) + [0xab], "\(rows) rows of \(length)")
      }
    }
  }

  @Test func scatterUndoesTheGatherOfAPermutation() {
    var random = SeededGenerator(seed: 23)
    for byteCount in [1, 3, 255, 256, 257, 1000] {
      for rows in [0, 1, 2, 4, 7, 12] {
        let permutation = (0..<Int32(rows)).shuffled(using: &random)
        let source = (0..<rows * byteCount).map { _ in UInt8.random(in: 0...255, using: &random) }
        var gathered = [UInt8](repeating: 0xcd, count: source.count + 1)
        RowKernels.gather(
          rows: rows, byteCount: byteCount, indices: permutation, from: source, into: &gathered)
        #expect(gathered.last == 0xcd)
        var back = [UInt8](repeating: 0xcd, count: source.count + 1)
        RowKernels.scatter(
          rows: rows, byteCount: byteCount, indices: permutation, from: gathered, into: &back)
        #expect(back == source + [0xcd])
      }
    }
  }
}
