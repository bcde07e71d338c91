// SPDX-License-Identifier: Apache-2.0
// epsim: when experts move while steps go on, and to where.

public import Placement
public import Workloads

/// What decides over the experts of one course.
public struct OnlinePlan {
  public let policy: RebalancePolicy
  /// Which ranks may change places in a new placement; disturbed ones never do.
  public let relabelling: Relabelling
  /// The placement for a load, the same on every rank.
  public let place: (LoadHistogram) throws -> ExpertPlacement

  public init(
    _ policy: RebalancePolicy, relabelling: Relabelling,
    place: @escaping (LoadHistogram) throws -> ExpertPlacement
  ) {
    self.policy = policy
    self.relabelling = relabelling
    self.place = place
  }
}
