// SPDX-License-Identifier: Apache-2.0
// epsim: which rank each token of a step starts on.

internal import MoE

/// How the T tokens of a step are dealt to R ranks.
public enum TokenAssignment: String, Sendable, CaseIterable, Codable {
  /// Position p starts on rank floor(p R / T).
  case block
  /// Position p starts on rank p mod R.
  case roundRobin = "round-robin"
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
    case .sequence:
      guard let sequenceOf else {
        throw InputError(
          "assignment sequence needs a trace, whose sequences it deals to ranks; generators accept "
            + "block and round-robin")
      }
      return (0..<tokenCount).map { Int32(sequenceOf($0) % rankCount) }
    }
  }
}
