// SPDX-License-Identifier: Apache-2.0
// epsim: which rank each token of a step starts on.

internal import MoE

/// How the T tokens of a step are dealt to R ranks.
public enum TokenAssignment: String, Sendable, CaseIterable, Codable {
  /// Position p starts on rank floor(p R / T).
  case block
  /// Position p starts on rank p mod R.
  case roundRobin = "round-robin"
  /// Unequal numbers: rank r has r + 1 shares, so position p starts on the last rank r with
  /// T r (r + 1) / (R (R + 1)) <= p. The last rank has 2 R / (R + 1) times the mean.
  case ragged
  /// Sequence q of the trace starts on rank q mod R, whole, in every step.
  case sequence

  /// The rank of each position. Ranks without tokens are legal.
  ///
  /// - Parameters:
  ///   - sequenceOf: the trace's sequence at a position; nil where the workload has none.
  /// - Returns: [T] ranks in `0 ..< rankCount`.
  /// - Throws: ``InputError`` for `sequence` without sequences.
  /// - Precondition: at least one rank and no negative number of tokens.
  public func ranks(tokenCount: Int, rankCount: Int, sequenceOf: ((Int) -> Int)? = nil) throws
    -> [Int32]
  {
    precondition(
      tokenCount >= 0 && rankCount >= 1, "\(tokenCount) tokens on \(rankCount) ranks")
    switch self {
    case .block:
      return (0..<tokenCount).map { Int32($0 * rankCount / tokenCount) }
    case .roundRobin:
      return (0..<tokenCount).map { Int32($0 % rankCount) }
    case .ragged:
      // Rank r ends where its share and those before it end.
      let shares = rankCount * (rankCount + 1) / 2
      return (0..<rankCount).flatMap { rank in
        let first = tokenCount * (rank * (rank + 1) / 2) / shares
        let end = tokenCount * ((rank + 1) * (rank + 2) / 2) / shares
        return repeatElement(Int32(rank), count: end - first)
      }
    case .sequence:
      guard let sequenceOf else {
        throw InputError(
          "assignment sequence needs a trace, whose sequences it deals to ranks; generators accept "
            + "block, round-robin and ragged")
      }
      return (0..<tokenCount).map { Int32(sequenceOf($0) % rankCount) }
    }
  }
}
