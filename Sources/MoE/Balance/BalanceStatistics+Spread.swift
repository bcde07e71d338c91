// SPDX-License-Identifier: Apache-2.0
// epsim: how unevenly experts are loaded, in one number.

internal import Foundation

extension BalanceStatistics {
  /// CV^2 of the assignments per expert: variance over experts / mean squared; 0 if balanced.
  ///
  /// The load of the paper is a smooth estimate of the counts, so that it has a gradient; these
  /// are the counts. The variance divides by E.
  /// Source: Shazeer et al., arXiv:1701.06538, appendix A, eqs. 10-11.
  public var loadVariation: Double { Self.squaredVariation(counts) }

  /// CV^2 of the routing weights per expert, the importance.
  ///
  /// Source: Shazeer et al., arXiv:1701.06538, eqs. 6-7.
  public var importanceVariation: Double { Self.squaredVariation(weights) }

  /// Entropy of the assignments over experts in nats: log E if balanced, 0 if one has all.
  public var loadEntropy: Double {
    let total = assignmentCount
    return counts.reduce(0) { sum, count in
      let share = count / total
      return count > 0 ? sum - share * log(share) : sum
    }
  }

  /// ``loadEntropy`` / log E: 1 if balanced. The base of the logarithm cancels. 1 for one expert.
  public var normalisedLoadEntropy: Double {
    counts.count > 1 ? loadEntropy / log(Double(counts.count)) : 1
  }

  /// Largest / mean assignments per expert; 1 if balanced, 0 without assignments.
  public var maxOverMean: Double { loadShares.max() ?? 0 }

  private static func squaredVariation(_ values: [Double]) -> Double {
    let mean = values.reduce(0, +) / Double(values.count)
    guard mean != 0 else { return 0 }
    let variance =
      values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
    return variance / (mean * mean)
  }
}
