// SPDX-License-Identifier: Apache-2.0
// epsim: experts dealt to ranks like cards.

internal import CostModel
internal import Workloads

/// Expert e stands on rank e mod R in every layer; ranks whose slots are all taken are left out.
public struct RoundRobinPlacement: PlacementStrategy {
  public init() {}

  public func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement {
    try problem.requireOneSlotPerExpert(for: name)
    let experts = problem.load.expertCount
    let (room, offsets) = (problem.room, problem.slotOffsets)
    var row = Array(repeating: Int32(0), count: experts)
    var expert: Int32 = 0
    for round in 0..<(room.max() ?? 0) {
      for rank in room.indices where room[rank] > round {
        row[offsets[rank] + round] = expert
        expert += 1
      }
    }
    return try ExpertPlacement(
      name: name, layers: problem.load.layers, expertCount: experts, slotOffsets: offsets,
      physicalToLogical: Array(repeating: row, count: problem.load.layers.count))
  }
}
