// SPDX-License-Identifier: Apache-2.0
// epsim: tests of reduce, norm and digest of token rows.

import Kernels
import Testing

@Suite struct RowKernelsTokensTests {
  /// x after the reduce of one batch.
  private func reduce(
    length: Int, topK: Int, weights: [Float], rows: [Int32], results: [Float], shared: [Float]?,
    x: [Float]
  ) -> [Float] {
    var x = x
    let tokens = x.count / length
    results.withUnsafeBufferPointer { results in
      x.withUnsafeMutableBufferPointer { x in
        func run(_ shared: UnsafePointer<Float>?) {
          RowKernels.reduce(
            tokens: tokens, length: length, topK: topK, weights: weights, resultRows: rows,
            results: results.baseAddress!, shared: shared, into: x.baseAddress!)
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

  private func norm(_ x: [Float], length: Int) -> [Float] {
    var out = [Float](repeating: 0, count: x.count)
    x.withUnsafeBufferPointer { x in
      RowKernels.rmsNorm(
        tokens: x.count / length, length: length, from: x.baseAddress!, into: &out)
    }
    return out
  }

  @Test func normMatchesDouble() {
    var random = SeededGenerator(seed: 32)
    for length in [1, 7, 31, 32, 33, 64, 100, 7168] {
      let x = random.floats(3 * length, in: -4...4)
      let out = norm(x, length: length)
      for t in 0..<3 {
        let row = x[t * length..<(t + 1) * length].map(Double.init)
        let mean = row.map { $0 * $0 }.reduce(0, +) / Double(length)
        for i in 0..<length {
          let expected = row[i] / (mean + 1e-6).squareRoot()
          #expect(abs(Double(out[t * length + i]) - expected) <= 2e-6 * max(1, abs(expected)))
        }
      }
    }
  }

  @Test func aNormedRowKeepsItsBitsAloneAndInPlace() {
    var random = SeededGenerator(seed: 33)
    let length = 45
    let x = random.floats(8 * length)
    let whole = norm(x, length: length)
    var inPlace = x
    inPlace.withUnsafeMutableBufferPointer {
      RowKernels.rmsNorm(
        tokens: 8, length: length, from: UnsafePointer($0.baseAddress!), into: $0.baseAddress!)
    }
    #expect(bits(inPlace) == bits(whole))
    for t in 0..<8 {
      let row = t * length..<(t + 1) * length
      #expect(bits(norm(Array(x[row]), length: length)) == bits(whole[row]))
    }
  }

  @Test func aRowOfZerosNormsToZeros() {
    #expect(norm([0, 0, 0], length: 3) == [0, 0, 0])
  }

  private func hash(_ tokens: [UInt64], _ rows: [[Float]]) -> UInt64 {
    let values = rows.flatMap { $0 }
    return RowKernels.rowHash(
      tokens: rows.count, length: rows.first?.count ?? 1, tokenIndices: tokens, from: values)
  }

  @Test func theHashIsTheDocumentedOne() {
    var random = SeededGenerator(seed: 34)
    for length in [1, 2, 3, 8, 33] {
      for count in [0, 1, 5] {
        let rows = (0..<count).map { _ in random.floats(length) }
        let tokens = (0..<count).map { _ in random.next() }
        #expect(hash(tokens, rows) == Reference.rowHash(tokens: tokens, rows: rows))
      }
    }
  }

  @Test func theHashAddsUpOverAnySplitAndOrderOfTheTokens() {
    var random = SeededGenerator(seed: 35)
    let rows = (0..<6).map { _ in random.floats(9) }
    let tokens: [UInt64] = [3, 1, 4, 15, 9, 2]
    let whole = hash(tokens, rows)
    let order = [5, 2, 0, 1, 4, 3]
    let first = order[..<2]
    let second = order[2...]
    let parts = [first, second].map { part in hash(part.map { tokens[$0] }, part.map { rows[$0] }) }
    #expect(parts[0] &+ parts[1] == whole)
  }

  @Test func theHashNoticesEveryBitAndEveryToken() {
    let row: [Float] = [0, 1.5, -2, .leastNonzeroMagnitude, .infinity]
    let original = hash([7], [row])
    #expect(hash([8], [row]) != original)
    for i in row.indices {
      for bit in 0..<32 {
        var changed = row
        changed[i] = Float(bitPattern: row[i].bitPattern ^ (1 << bit))
        #expect(hash([7], [changed]) != original)
      }
    }
    // Two tokens that exchange their rows.
    let other: [Float] = [1, 2, 3, 4, 5]
    #expect(hash([0, 1], [row, other]) != hash([0, 1], [other, row]))
  }
}
