// SPDX-License-Identifier: Apache-2.0
// epsim: what a projection says about a step.

public import CostModel

/// The computed time of a step, by phase and rank, and what decides it.
public struct ProjectedStep: Sendable {
  /// Latest end minus earliest begin over ranks.
  public var time: Seconds
  /// Sums over layers.
  public var ranks: RankTimes
  /// What binds, and how much of the step it takes; the largest first.
  public var bindings: [Binding]

  /// A limit with the time that it takes.
  public struct Binding: Sendable, Equatable {
    /// In words: `NIC egress of node 3`, `experts of rank 5`.
    public var name: String
    public var time: Seconds
  }

  /// Parts of the step, mean over ranks; with the rest they add up to 1. Nothing has parts, and
  /// neither has a step without end.
  public var shares: (expert: Double, transfer: Double, wait: Double, rest: Double) {
    guard time > .zero, time < .infinity else { return (0, 0, 0, 0) }
    func share(_ phases: RankPhase...) -> Double {
      phases.reduce(0) { $0 + ranks.mean($1) / time }
    }
    let expert = share(.expert, .shared)
    let transfer = share(.dispatchTransfer, .combineTransfer)
    let wait = share(.dispatchWait, .combineWait)
    return (expert, transfer, wait, 1 - expert - transfer - wait)
  }

  /// The largest limit in words: `NIC egress of node 3, 71 % of the step`.
  public var bindingWords: String {
    guard let first = bindings.first, time > .zero else { return "nothing" }
    guard time < .infinity else { return "\(first.name), without end" }
    return "\(first.name), \(Int((100 * (first.time / time)).rounded())) % of the step"
  }
}
