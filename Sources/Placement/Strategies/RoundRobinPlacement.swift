// SPDX-License-Identifier: Apache-2.0
// epsim: experts dealt to ranks like cards.

internal import CostModel
internal import Workloads

/// Expert e stands on rank e mod R, in every layer.
public struct RoundRobinPlacement: PlacementStrategy {
  public init() {}

  public func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement {
    let (experts, ranks) = (problem.load.expertCount, problem.topology.rankCount)
    let row = (0..<ranks).flatMap { rank in
      stride(from: rank, to: experts, by: ranks).map { Int32($0) }
    }
    return try ExpertPlacement(
      name: name, layers: problem.load.layers, expertCount: experts,
      slotOffsets: SlotLayout.firstRanksHoldMore(slotCount: experts, rankCount: ranks),
      physicalToLogical: Array(repeating: row, count: problem.load.layers.count))
  }
}
