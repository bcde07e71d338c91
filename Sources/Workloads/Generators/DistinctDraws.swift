// SPDX-License-Identifier: Apache-2.0
// epsim: what generators share: draws of distinct numbers, rows and their weights.

internal import MoE

extension RandomDraws {
  /// A number of a range that is not among the taken ones, each equally likely. One draw.
  ///
  /// - Parameter taken: distinct numbers, in or out of the range.
  /// - Precondition: a number of the range is left.
  @inline(__always)
  mutating func number(
    in range: Range<Int>, except taken: UnsafeMutableBufferPointer<Int32>
  ) -> Int32 {
    let lower = Int32(range.lowerBound)
    let inRange = Self.count(taken, from: lower, to: Int32(range.upperBound) - 1)
    // The draw-th of the numbers that are left: step over the taken ones.
    let draw = lower + Int32(below(range.count - Int(inRange)))
    var number = draw
    while true {
      let passed = draw + Self.count(taken, from: lower, to: number)
      if passed == number { return number }
      number = passed
    }
  }

  /// How many of `taken` lie in `first ... last`.
  @inline(__always)
  private static func count(
    _ taken: UnsafeMutableBufferPointer<Int32>, from first: Int32, to last: Int32
  ) -> Int32 {
    var count: Int32 = 0
    for number in taken where number >= first && number <= last { count += 1 }
    return count
  }
}

extension RoutingSource {
  /// Calls `body` for each row with its position and its K experts to fill in, then fills in the
  /// weights from the same sequence of draws.
  @inline(__always)
  func forEachRow(
    _ positions: Span<Int32>, key: UInt64, into decision: inout RoutingDecision,
    _ body: (Int, UnsafeMutableBufferPointer<Int32>, inout RandomDraws) -> Void
  ) {
    for row in 0..<positions.count {
      let position = Int(positions[row])
      var random = RandomDraws(key: key, number: position)
      decision.expertIndices.withUnsafeMutableBufferPointer { experts in
        let chosen = UnsafeMutableBufferPointer(rebasing: experts[row * topK..<(row + 1) * topK])
        body(position, chosen, &random)
      }
      fillWeights(&decision, row: row, from: &random)
    }
  }
}

/// Positive weights that sum to 1, each proportional to 1/4 + u.
@inline(__always)
private func fillWeights(
  _ decision: inout RoutingDecision, row: Int, from random: inout RandomDraws
) {
  let topK = decision.topK
  decision.routingWeights.withUnsafeMutableBufferPointer { weights in
    var sum: Float = 0
    for index in row * topK..<(row + 1) * topK {
      weights[index] = 0.25 + Float(random.unit())
      sum += weights[index]
    }
    for index in row * topK..<(row + 1) * topK { weights[index] /= sum }
  }
}
