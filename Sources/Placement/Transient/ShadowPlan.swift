// SPDX-License-Identifier: Apache-2.0
// epsim: hot experts of a batch that every rank is sent, so that their tokens stay.

public import CostModel

/// Which experts every rank is lent for one batch: the k hottest, where
/// T(k) = (time of a row) * (rows of the hottest expert left) + k * (time of an expert's weights)
/// is smallest. The coldest expert is never lent.
///
/// Experts are taken by falling load, equal loads by rising number.
/// Source: He et al., "FasterMoE", PPoPP 2022; github.com/laekov/fastmoe, `shadow_policy.py`, where a
/// row takes 3 computations and 4 transfers, forwards and backwards.
public struct ShadowPlan: Sendable, Equatable {
  /// When the search ends.
  public enum Rule: String, Sendable, CaseIterable {
    /// At the first expert that gains nothing, as FasterMoE; it can miss gains behind that one.
    case firstStop = "first-stop"
    /// After all experts; the shortest of equal choices.
    case bestPrefix = "best-prefix"
  }

  /// The experts that every rank is sent, hottest first.
  public let experts: [Int]
  /// T(k) with them.
  public let time: Seconds

  /// Decides for one layer of one batch.
  ///
  /// - Parameters:
  ///   - loads: [E] rows of each expert, at least one expert.
  ///   - rowTime: of the slowest rank, for each row of its hottest expert.
  ///   - transferTime: of the weights of one expert to all ranks.
  public init(loads: [Int], rowTime: Seconds, transferTime: Seconds, rule: Rule) {
    precondition(!loads.isEmpty, "no experts")
    let order = loads.indices.sorted { (loads[$0], $1) > (loads[$1], $0) }
    var best = (count: 0, time: rowTime * Double(loads[order[0]]))
    for count in 1..<max(1, order.count) {
      let time = rowTime * Double(loads[order[count]]) + transferTime * Double(count)
      if time < best.time {
        best = (count, time)
      } else if rule == .firstStop {
        break
      }
    }
    experts = Array(order.prefix(best.count))
    time = best.time
  }
}
