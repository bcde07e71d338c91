// SPDX-License-Identifier: Apache-2.0
// epsim: balancing without a loss, by a bias on the selection.

/// The bias that is added to an expert's score for the selection only, and how it learns.
public enum SelectionBias {
  /// u of the paper and of DeepSeek-V3.
  public static let defaultRate = 0.001

  /// b_i += u sign(mean - c_i): one step down for experts above the mean load, up for those below.
  ///
  /// Local, does not allocate. Every rank that passes the same counts gets the same bias.
  /// - Parameters:
  ///   - bias: [E], changed in place.
  ///   - counts: [E] assignments of the whole batch, added up over all ranks before.
  ///   - rate: u.
  /// - Precondition: as many counts as biases.
  /// Source: Wang et al., arXiv:2408.15664, algorithm 1; DeepSeek-V3, arXiv:2412.19437,
  /// section 2.1.2.
  public static func update(
    _ bias: inout [Float], counts: [Double], rate: Double = Self.defaultRate
  ) {
    precondition(bias.count == counts.count, "\(counts.count) counts for \(bias.count) biases")
    let mean = counts.reduce(0, +) / Double(counts.count)
    for expert in bias.indices {
      let step: Double = counts[expert] > mean ? -rate : counts[expert] < mean ? rate : 0
      bias[expert] += Float(step)
    }
  }
}
