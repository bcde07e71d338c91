// SPDX-License-Identifier: Apache-2.0
// epsim: replicas for what is hot in any window of the tokens.

internal import CostModel
internal import MoE
internal import Workloads

/// Replicates for the sum over windows of the heaviest replica, then deals replicas to ranks to and
/// fro by their load in all windows.
///
/// Source: github.com/sgl-project/sglang, `deepseek_vec` over all ranks.
public struct WindowPlacement: PlacementStrategy {
  public init() {}

  public func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement {
    let windows = try problem.windowLoads(for: name)
    let (load, offsets, room) = (problem.load, problem.slotOffsets, problem.room)
    return try ExpertPlacement(
      name: name, layers: load.layers, expertCount: load.expertCount, slotOffsets: offsets,
      physicalToLogical: load.layers.indices.map { row in
        let rows = windows.map { Array($0.row(row)) }
        let replication = WindowReplication(windows: rows, replicaCount: problem.slotCount)
        let totals = (0..<load.expertCount).map { expert in
          rows.reduce(Float(0)) { $0 + Float($1[expert]) }
        }
        return SnakePlacement.deal(
          replication.expertOfReplica, counts: replication.replicaCounts, loads: totals,
          room: room, offsets: offsets)
      })
  }
}

extension PlacementProblem {
  /// The load of each window, in the layers of the problem.
  ///
  /// - Throws: `InputError` where only a load is known, or tokens of another model.
  func windowLoads(for name: String) throws -> [LoadHistogram] {
    let evidence = try requireEvidence(for: name)
    guard evidence.expertCount == load.expertCount else {
      throw InputError(
        "placement \(name): the tokens choose among \(evidence.expertCount) experts, the load has "
          + "\(load.expertCount)")
    }
    return try evidence.windows.indices.map {
      try evidence.load(ofWindow: $0).selecting(layers: load.layers)
    }
  }
}
