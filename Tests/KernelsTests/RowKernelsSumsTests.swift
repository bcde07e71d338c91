// SPDX-License-Identifier: Apache-2.0
// epsim: tests of reduce and of weighted sums.

import Kernels
import Testing

@Suite struct RowKernelsSumsTests {
  /// x after the reduce of one batch.
  private func reduce(
    length: Int, topK: Int, weights: [Float], rows: [Int32], results: [Float],
    type: ElementType = .f32, shared: [Float]?, x: [Float]
  ) -> [Float] {
    var x = x
    let tokens = x.count / length
    bytes(results, as: type).withUnsafeBytes { results in
      x.withUnsafeMutableBufferPointer { x in
        func run(_ shared: UnsafePointer<Float>?) {
          RowKernels.reduce(
            tokens: tokens, length: length, topK: topK, weights: weights, resultRows: rows,
            results: results.baseAddress!, resultType: type, shared: shared, into: x.baseAddress!)
        }
        if let shared { shared.withUnsafeBufferPointer { run($0.baseAddress) } } else { run(nil) }
      }
    }
    return x
  }

  @Test func reduceMatchesDouble() {
    var random = SeededGenerator(seed: 30)
    for length in [1, 31, 64, 65, 200] {
      for topK in [1, 2, 6, 9] {
        let tokens = 5
        let weights = random.floats(tokens * topK, in: 0...1)
        let rows = random.indices(tokens * topK, below: 13).map { $0 == 12 ? -1 : $0 }
        let results = random.floats(12 * length)
        let x = random.floats(tokens * length)
        for shared in [nil, random.floats(tokens * length)] {
          let y = reduce(
            length: length, topK: topK, weights: weights, rows: rows, results: results,
            shared: shared, x: x)
          for t in 0..<tokens {
            for i in 0..<length {
              var expected = Double(x[t * length + i]) + Double(shared?[t * length + i] ?? 0)
              for k in 0..<topK where rows[t * topK + k] >= 0 {
                let result = results[Int(rows[t * topK + k]) * length + i]
                expected += Double(weights[t * topK + k]) * Double(result)
              }
              #expect(abs(Double(y[t * length + i]) - expected) < 1e-5)
            }
          }
        }
      }
    }
  }

  @Test func reduceAddsInAscendingOrderThenTheSharedThenTheResidual() {
    // In Float 1e8 + 1 = 1e8: only the ascending order gives 0, not 1.
    let results: [Float] = [1e8, 1, -1e8]
    #expect(
      reduce(
        length: 1, topK: 3, weights: [1, 1, 1], rows: [0, 1, 2], results: results, shared: nil,
        x: [0]) == [0])
    // (0 + 1e8) + -1e8 + 1 in the order of k, whatever the rows.
    #expect(
      reduce(
        length: 1, topK: 3, weights: [1, 1, 1], rows: [0, 2, 1], results: results, shared: nil,
        x: [0]) == [1])
    // sum + shared = 0 before the residual; residual + sum first would lose the 1.
    #expect(
      reduce(
        length: 1, topK: 1, weights: [1], rows: [0], results: results, shared: [-1e8], x: [1])
        == [1])
  }

  @Test func droppedAssignmentsAreNeverRead() {
    let results: [Float] = [.nan, .nan, 2, 3]
    #expect(
      reduce(
        length: 2, topK: 2, weights: [.nan, 0.5], rows: [-1, 1], results: results, shared: nil,
        x: [10, 20]) == [11, 21.5])
    #expect(
      reduce(
        length: 2, topK: 2, weights: [1, 1], rows: [-1, -1], results: results, shared: nil,
        x: [10, 20]) == [10, 20])
  }

  @Test func theReducedBitsOfATokenDoNotDependOnItsCompanions() {
    var random = SeededGenerator(seed: 31)
    let (length, topK, tokens) = (77, 4, 6)
    let weights = random.floats(tokens * topK)
    let rows = random.indices(tokens * topK, below: 10)
    let (results, x) = (random.floats(10 * length), random.floats(tokens * length))
    let whole = reduce(
      length: length, topK: topK, weights: weights, rows: rows, results: results, shared: nil, x: x)
    for t in 0..<tokens {
      let choices = t * topK..<(t + 1) * topK
      let values = t * length..<(t + 1) * length
      let alone = reduce(
        length: length, topK: topK, weights: Array(weights[choices]), rows: Array(rows[choices]),
        results: results, shared: nil, x: Array(x[values]))
      #expect(bits(alone) == bits(whole[values]))
    }
  }

  @Test func resultsInBF16ReduceAsTheirValuesInFloatDo() {
    var random = SeededGenerator(seed: 36)
    for length in [1, 63, 64, 65, 200] {
      for topK in [1, 3, 8] {
        let weights = random.floats(7 * topK)
        let rows = random.indices(7 * topK, below: 6).map { $0 == 5 ? -1 : $0 }
        let results = random.floats(5 * length).map { Reference.stored($0, as: .bf16) }
        let x = random.floats(7 * length)
        for shared in [nil, random.floats(7 * length)] {
          let both = ElementType.allCases.map {
            reduce(
              length: length, topK: topK, weights: weights, rows: rows, results: results,
              type: $0, shared: shared, x: x)
          }
          #expect(bits(both[0]) == bits(both[1]), "\(topK) rows of \(length)")
        }
      }
    }
  }

  /// The rows of a sum over groups, as the bytes of `target`; room beyond them must stay untouched.
  private func weightedSums(
    length: Int, offsets: [Int32], members: [Int32], weights: [Float]?, from values: [Float],
    _ source: ElementType, into target: ElementType
  ) -> [UInt8] {
    let count = (offsets.count - 1) * length * target.byteCount
    var result = [UInt8](repeating: 0xab, count: count + 1)
    func run(_ weights: UnsafePointer<Float>?) {
      RowKernels.weightedSums(
        rows: offsets.count - 1, length: length, offsets: offsets, members: members,
        weights: weights, from: bytes(values, as: source), type: source, into: &result,
        type: target)
    }
    if let weights { weights.withUnsafeBufferPointer { run($0.baseAddress) } } else { run(nil) }
    precondition(result.last == 0xab, "sums overrun")
    return Array(result[..<count])
  }

  /// One group after the other, one value after the other.
  private func slowSums(
    length: Int, offsets: [Int32], members: [Int32], weights: [Float]?, from values: [Float],
    _ source: ElementType
  ) -> [Float] {
    zip(offsets, offsets.dropFirst()).flatMap { start, end in
      (0..<length).map { i in
        var sum: Float = 0
        for j in Int(start)..<Int(end) {
          let value = Reference.stored(values[Int(members[j]) * length + i], as: source)
          let term = weights.map { $0[j] * value } ?? value
          sum += term
        }
        return sum
      }
    }
  }

  @Test(arguments: ElementType.allCases, ElementType.allCases)
  func weightedSumsRoundEachStepInAscendingOrder(from source: ElementType, into target: ElementType)
  {
    var random = SeededGenerator(seed: 37)
    for length in [1, 5, 63, 64, 65, 128, 200] {
      for groups in [0, 1, 2, 9] {
        var offsets: [Int32] = [0]
        // Groups of 0 to 6 rows; 9 source rows, so that members repeat.
        for _ in 0..<groups {
          offsets.append(offsets.last! + Int32.random(in: 0...6, using: &random))
        }
        let count = Int(offsets.last!)
        let members = random.indices(count, below: 9)
        let values = random.floats(9 * length)
        for weights in [nil, random.floats(count)] {
          let result = weightedSums(
            length: length, offsets: offsets, members: members, weights: weights, from: values,
            source, into: target)
          let expected = slowSums(
            length: length, offsets: offsets, members: members, weights: weights, from: values,
            source)
          #expect(result == bytes(expected, as: target), "\(groups) groups of rows of \(length)")
        }
      }
    }
  }

  @Test(arguments: ElementType.allCases) func anEmptyGroupIsARowOfZeros(type: ElementType) {
    let values = [Float](repeating: .nan, count: 70) + [Float](repeating: -0.0, count: 70)
    for weights in [nil, [Float](repeating: 1, count: 3)] {
      let result = weightedSums(
        length: 70, offsets: [0, 0, 2, 2], members: [1, 1, 0], weights: weights, from: values,
        type, into: type)
      // The sum starts at +0, which two rows of -0 do not change.
      #expect(result == [UInt8](repeating: 0, count: 3 * 70 * type.byteCount))
    }
  }

  @Test func groupsMayBeginInTheMiddleOfTheMembers() {
    // Rows 2 + 3 with their weights; what lies before the first offset is not read.
    let result = weightedSums(
      length: 1, offsets: [2, 4], members: [9999, -7, 2, 3], weights: [.nan, .nan, 10, 100],
      from: [.nan, .nan, 2, 3], .f32, into: .f32)
    #expect(floats(result, as: .f32) == [320])
  }
}
