// SPDX-License-Identifier: Apache-2.0
// epsim: which ranks may change places before experts move.

public import CostModel

/// Which ranks may take each other's experts, so that fewer of them move.
public enum Relabelling: String, Sendable, CaseIterable {
  /// Every rank gets what the placement says.
  case none
  /// Ranks of one node: load, fan-out and traffic between nodes stay what they are.
  case node
  /// All ranks: load stays what it is, traffic between nodes does not.
  case all

  /// The same placement on the ranks that move the fewest slots.
  ///
  /// - Parameter fixedRanks: ranks that keep their place, for they are not like the others.
  /// - Precondition: both have the same layers, experts and ranks, and the topology these ranks.
  public func apply(
    to placement: ExpertPlacement, keeping old: ExpertPlacement, topology: Topology,
    fixedRanks: Set<Int> = []
  ) -> ExpertPlacement {
    guard self != .none else { return placement }
    return placement.relabelled(
      toKeep: old, topology: topology, keepingNodes: self == .node, fixedRanks: fixedRanks)
  }
}

extension PlacementSpec {
  /// What may be relabelled without asking: nothing of a file, whose ranks may differ in ways that
  /// it does not tell, and nothing of a strategy that looks at which rank sends.
  public var usualRelabelling: Relabelling {
    entry.map { $0.seesSources ? .none : .node } ?? .none
  }
}
