// SPDX-License-Identifier: Apache-2.0
// epsim: experts in order, the plain layout of most systems.

internal import CostModel
internal import Workloads

/// Expert e stands on rank floor(e R / E), or in slot e where the ranks' slots are given; the same in
/// every layer.
public struct ContiguousPlacement: PlacementStrategy {
  public init() {}

  public func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement {
    try problem.requireOneSlotPerExpert(for: name)
    let experts = problem.load.expertCount
    let evenly = SlotLayout.proportional(
      slotCount: experts, rankCount: problem.topology.rankCount)
    return try ExpertPlacement(
      name: name, layers: problem.load.layers, expertCount: experts,
      slotOffsets: problem.slotsPerRank == nil ? evenly : problem.slotOffsets,
      physicalToLogical: Array(
        repeating: (0..<Int32(experts)).map { $0 }, count: problem.load.layers.count))
  }
}
