// SPDX-License-Identifier: Apache-2.0
// epsim: heavy experts first, each to the least loaded rank with a free slot.

internal import CostModel
internal import Workloads

/// Longest processing time first with limited numbers of experts per rank, without replicas.
///
/// Where ranks have speeds, an expert goes to the rank that would be done with it first.
/// Source: Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Appl. Math. 17, 1969.
public struct LPTPlacement: PlacementStrategy {
  public init() {}

  public func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement {
    try problem.requireOneSlotPerExpert(for: name)
    let (load, offsets, room) = (problem.load, problem.slotOffsets, problem.room)
    return try ExpertPlacement(
      name: name, layers: load.layers, expertCount: load.expertCount, slotOffsets: offsets,
      physicalToLogical: load.layers.indices.map { row in
        let loads = load.row(row).map { Float($0) }
        let positions =
          problem.rankSpeeds.map { BalancedPacking.pack(loads, room: room, speeds: $0) }
          ?? BalancedPacking.pack(loads, room: room)
        var slots = Array(repeating: Int32(0), count: load.expertCount)
        for (expert, position) in positions.enumerated() {
          slots[offsets[position.pack] + position.index] = Int32(expert)
        }
        return slots
      })
  }
}
