// SPDX-License-Identifier: Apache-2.0
// epsim: tests of norm and digest of token rows.

import Kernels
import Testing

@Suite struct RowKernelsTokensTests {
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
