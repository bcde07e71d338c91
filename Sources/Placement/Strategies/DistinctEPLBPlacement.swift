// SPDX-License-Identifier: Apache-2.0
// epsim: EPLB that never puts two replicas of an expert onto one rank.

internal import CostModel
internal import MoE
internal import Workloads

/// Replicates hot experts and packs replicas heavy first, each onto a rank that lacks its expert and
/// would be done with it first.
///
/// A second replica on a rank costs memory and spreads no load. Where all ranks with room have the
/// expert already, others make way. Loads are Float64.
/// Source: github.com/deepseek-ai/EPLB, pull requests 27 and 28; github.com/vllm-project/vllm-ascend,
/// the default policy.
public struct DistinctEPLBPlacement: PlacementStrategy {
  public init() {}

  public func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement {
    try problem.requireDistinctRoom(for: name)
    let (load, room) = (problem.load, problem.room)
    return try ExpertPlacement(
      name: name, layers: load.layers, expertCount: load.expertCount,
      slotOffsets: problem.slotOffsets,
      physicalToLogical: load.layers.indices.map { row in
        place(load.row(row).map { Double($0) }, room: room, speeds: problem.speeds)
      })
  }

  /// [P] expert of each slot of one layer.
  private func place(_ loads: [Double], room: [Int], speeds: [Double]) -> [Int32] {
    let replication = DistinctReplication(loads: loads, room: room)
    let shares = zip(loads, replication.replicaCounts).map { $0 / Double($1) }
    var packing = DistinctPacking(room: room, expertCount: loads.count)
    var sums = Array(repeating: 0.0, count: room.count)
    for expert in replication.fallingOrder(of: shares) {
      let share = shares[Int(expert)]
      for move in packing.place(expert, cost: { (sums[$0] + share) / speeds[$0] }) {
        if let from = move.from { sums[from] -= shares[Int(move.expert)] }
        sums[move.to] += shares[Int(move.expert)]
      }
    }
    return packing.held.flatMap { $0 }
  }
}

extension PlacementProblem {
  /// Refuses ranks that have more slots than there are different experts.
  ///
  /// - Throws: `InputError` that names the rank.
  func requireDistinctRoom(for name: String) throws {
    let experts = load.expertCount
    guard let rank = room.firstIndex(where: { $0 > experts }) else { return }
    throw InputError(
      "placement \(name): rank \(rank) holds \(room[rank]) slots, but no rank may hold one of the "
        + "\(experts) experts twice")
  }
}

extension DistinctReplication {
  /// [P] experts of the replicas by falling share of their load, equal shares by rising replica.
  func fallingOrder(of shares: [Double]) -> [Int32] {
    expertOfReplica.indices.sorted { left, right in
      let shares = (shares[Int(expertOfReplica[left])], shares[Int(expertOfReplica[right])])
      return shares.0 > shares.1 || (shares.0 == shares.1 && left < right)
    }.map { expertOfReplica[$0] }
  }
}
