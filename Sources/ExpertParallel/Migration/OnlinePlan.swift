// SPDX-License-Identifier: Apache-2.0
// epsim: when experts move while steps go on, and to where.

public import Placement
public import Workloads

/// What decides over the experts of one course.
public struct OnlinePlan {
  public let policy: RebalancePolicy
  /// Where the experts are at the start; nil for where the first case has them.
  public let start: ExpertPlacement?
  /// Which ranks may change places in a new placement; disturbed ones never do.
  public let relabelling: Relabelling
  /// The placement for a load, coming from another one; the same on every rank.
  public let place: (_ load: LoadHistogram, _ current: ExpertPlacement) throws -> ExpertPlacement

  public init(
    _ policy: RebalancePolicy, relabelling: Relabelling, start: ExpertPlacement? = nil,
    place: @escaping (_ load: LoadHistogram, _ current: ExpertPlacement) throws -> ExpertPlacement
  ) {
    self.policy = policy
    self.start = start
    self.relabelling = relabelling
    self.place = place
  }
}
