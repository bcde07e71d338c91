// SPDX-License-Identifier: Apache-2.0
// epsim: what every placement strategy is given and gives.

public import CostModel
public import Workloads

/// What a placement is made for.
public struct PlacementProblem: Sendable {
  /// Layers, experts and, for strategies that are fitted, their load; zeros where nothing is known.
  public var load: LoadHistogram
  /// Ranks and nodes.
  public var topology: Topology
  /// Groups of consecutive experts that a hierarchical strategy keeps on one node.
  public var groups: Int
  /// Slots beyond one per expert, over all ranks.
  public var extraSlots: Int

  public init(load: LoadHistogram, topology: Topology, groups: Int = 1, extraSlots: Int = 0) {
    precondition(extraSlots >= 0 && groups >= 1, "\(extraSlots) extra slots, \(groups) groups")
    self.load = load
    self.topology = topology
    self.groups = groups
    self.extraSlots = extraSlots
  }

  /// P, the slots of a layer over all ranks.
  public var slotCount: Int { load.expertCount + extraSlots }
}

/// A rule that decides which expert stands in which slot.
///
/// Every strategy is deterministic: equal problems give equal placements on every machine.
public protocol PlacementStrategy: Sendable {
  /// Solves every layer of the problem.
  ///
  /// - Throws: `InputError` when the strategy cannot serve the problem.
  func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement
}
