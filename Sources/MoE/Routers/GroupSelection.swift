// SPDX-License-Identifier: Apache-2.0
// epsim: which groups of experts are open to a token.

extension RouterRule.GroupLimit {
  /// Marks the groups that a token may choose from.
  ///
  /// A group counts as the sum of its ``summedScores`` largest values; the ``openCount`` groups
  /// that count most are open, ties going to the lower group.
  /// Shapes: `values` [E] selection values without NaN; `isOpen` [G] becomes 1 or 0; `counts` [G]
  /// working memory.
  /// Source: DeepSeek-V2, arXiv:2405.04434, section 2.2.2; DeepSeek-V3, arXiv:2412.19437,
  /// section 2.1.2 (node-limited routing).
  @inline(__always)
  func open(
    _ values: UnsafeMutableBufferPointer<Float>, isOpen: UnsafeMutableBufferPointer<Float>,
    counts: UnsafeMutableBufferPointer<Float>
  ) {
    let size = values.count / groupCount
    for group in 0..<groupCount {
      let members = UnsafeMutableBufferPointer(
        rebasing: values[group * size..<(group + 1) * size])
      counts[group] = sumOfLargest(members)
      isOpen[group] = 0
    }
    for _ in 0..<openCount {
      var best = -1
      for group in 0..<groupCount
      where isOpen[group] == 0 && (best < 0 || counts[group] > counts[best]) { best = group }
      isOpen[best] = 1
    }
  }

  /// The sum of the largest values of a group; minus infinity where it is not a number.
  @inline(__always)
  private func sumOfLargest(_ members: UnsafeMutableBufferPointer<Float>) -> Float {
    if summedScores == 2 {
      var (first, second) = (-Float.infinity, -Float.infinity)
      for value in members {
        second = max(second, min(first, value))
        first = max(first, value)
      }
      return number(first + second)
    }
    // One pass over the group for each value: the next one is the largest after the previous one,
    // where "after" means smaller, or equal and with a higher index.
    var sum: Float = 0
    var previous = (value: Float.infinity, index: -1)
    for _ in 0..<summedScores {
      var best = (value: -Float.infinity, index: -1)
      for (index, value) in members.enumerated() {
        let isAfter = value < previous.value || (value == previous.value && index > previous.index)
        if isAfter && (best.index < 0 || value > best.value) { best = (value, index) }
      }
      sum += best.value
      previous = best
    }
    return number(sum)
  }

  /// Infinities of both signs have no sum: such a group ranks last.
  @inline(__always)
  private func number(_ sum: Float) -> Float { sum.isNaN ? -.infinity : sum }
}
