// SPDX-License-Identifier: Apache-2.0
// epsim: experts by falling load, dealt to ranks to and fro.

internal import CostModel
internal import Workloads

/// Replicas by load per replica, dealt to the ranks in rounds: rising, falling, rising.
///
/// Extra slots go to the expert with the most load per replica. A deal looks at the order of loads
/// only, so that speeds of ranks do not matter to it.
public struct SnakePlacement: PlacementStrategy {
  public init() {}

  public func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement {
    let (load, offsets, room) = (problem.load, problem.slotOffsets, problem.room)
    return try ExpertPlacement(
      name: name, layers: load.layers, expertCount: load.expertCount, slotOffsets: offsets,
      physicalToLogical: load.layers.indices.map { row in
        let loads = load.row(row).map { Float($0) }
        let replication = ExpertReplication(loads: loads, replicaCount: problem.slotCount)
        return Self.deal(
          replication.expertOfReplica, counts: replication.replicaCounts, loads: loads, room: room,
          offsets: offsets)
      })
  }

  /// [P] expert of each slot when the replicas of a layer are dealt.
  static func deal(
    _ replicas: [Int32], counts: [Int], loads: [Float], room: [Int], offsets: [Int]
  ) -> [Int32] {
    let shares = replicas.map { loads[Int($0)] / Float(counts[Int($0)]) }
    var slots = Array(repeating: Int32(0), count: replicas.count)
    for (replica, position) in BalancedPacking.snake(shares, room: room).enumerated() {
      slots[offsets[position.pack] + position.index] = replicas[replica]
    }
    return slots
  }
}
