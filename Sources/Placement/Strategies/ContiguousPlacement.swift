// SPDX-License-Identifier: Apache-2.0
// epsim: experts in order, the plain layout of most systems.

internal import CostModel
internal import Workloads

/// Expert e stands on rank floor(e R / E), in the same slots in every layer.
public struct ContiguousPlacement: PlacementStrategy {
  public init() {}

  public func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement {
    let experts = problem.load.expertCount
    return try ExpertPlacement(
      name: name, layers: problem.load.layers, expertCount: experts,
      slotOffsets: SlotLayout.proportional(
        slotCount: experts, rankCount: problem.topology.rankCount),
      physicalToLogical: Array(
        repeating: (0..<Int32(experts)).map { $0 }, count: problem.load.layers.count))
  }
}
