// SPDX-License-Identifier: Apache-2.0
// epsim: the sums of balance of some tokens, by name.

/// What the router did with some tokens: a sequence, a micro-batch, or all.
public struct BalanceStatistics: Sendable, Equatable {
  /// T, the tokens.
  public let tokenCount: Double
  /// Sum over tokens of logsumexp(logits) squared.
  public let squaredLogSumExp: Double
  /// [E] c, assignments of each expert.
  public let counts: [Double]
  /// [E] sum over tokens of each expert's probability.
  public let probabilities: [Double]
  /// [E] sum over tokens of each expert's routing weight: its importance.
  public let weights: [Double]
  /// [D] tokens that each device gets at least one assignment of.
  public let deviceTokens: [Double]

  /// - Precondition: `sums` has 2 + 3 E + D numbers in the order of ``BalanceSums``.
  init(_ sums: ArraySlice<Double>, expertCount: Int, deviceCount: Int) {
    let start = sums.startIndex
    func part(_ first: Int, _ count: Int) -> [Double] {
      Array(sums[start + first..<start + first + count])
    }
    tokenCount = sums[start]
    squaredLogSumExp = sums[start + 1]
    counts = part(2, expertCount)
    probabilities = part(2 + expertCount, expertCount)
    weights = part(2 + 2 * expertCount, expertCount)
    deviceTokens = part(2 + 3 * expertCount, deviceCount)
  }

  /// All assignments, T K where each token has K.
  public var assignmentCount: Double { counts.reduce(0, +) }

  /// [E] f_i = E c_i / assignments: 1 for every expert of a balanced batch.
  public var loadShares: [Double] {
    let total = assignmentCount
    return counts.map { total > 0 ? Double(counts.count) * $0 / total : 0 }
  }

  /// [E] P_i, the mean probability of each expert.
  public var meanProbabilities: [Double] {
    probabilities.map { tokenCount > 0 ? $0 / tokenCount : 0 }
  }
}
