// SPDX-License-Identifier: Apache-2.0
// epsim: heavy experts first, each to the least loaded rank with a free slot.

internal import CostModel
internal import Workloads

/// Longest processing time first with equal numbers of experts per rank, without replicas.
public struct LPTPlacement: PlacementStrategy {
  public init() {}

  public func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement {
    let load = problem.load
    let offsets = problem.slotOffsets
    let room = zip(offsets, offsets.dropFirst()).map { $1 - $0 }
    return try ExpertPlacement(
      name: name, layers: load.layers, expertCount: load.expertCount, slotOffsets: offsets,
      physicalToLogical: load.layers.indices.map { row in
        var slots = Array(repeating: Int32(0), count: load.expertCount)
        let positions = BalancedPacking.pack(load.row(row).map { Float($0) }, room: room)
        for (expert, position) in positions.enumerated() {
          slots[offsets[position.pack] + position.index] = Int32(expert)
        }
        return slots
      })
  }
}
