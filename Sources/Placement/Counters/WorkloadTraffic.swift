// SPDX-License-Identifier: Apache-2.0
// epsim: the counters of a step computed from its workload, without running it.

public import CostModel
internal import MoE
public import Workloads

/// Computes what a workload sends under a placement and a replica choice.
///
/// A run that drops nothing must show exactly these counters.
public struct WorkloadTraffic: Sendable {
  private let source: any RoutingSource
  private let placement: ExpertPlacement
  private let topology: Topology
  private let choice: ReplicaChoice
  /// [rows, R] tables, row-major.
  private let tables: [ReplicaTable]

  /// Makes the replica tables of all ranks and layers.
  ///
  /// - Precondition: the source has the placement's experts and layers; the topology its ranks.
  public init(
    source: any RoutingSource, placement: ExpertPlacement, topology: Topology,
    choice: ReplicaChoice
  ) {
    precondition(
      source.expertCount == placement.expertCount,
      "\(source.name) has \(source.expertCount) experts, \(placement.name) "
        + "\(placement.expertCount)")
    self.source = source
    self.placement = placement
    self.topology = topology
    self.choice = choice
    tables = placement.layers.indices.flatMap { row in
      (0..<topology.rankCount).map { rank in
        ReplicaTable(
          placement: placement, layerRow: row, sourceRank: rank, topology: topology,
          choice: choice)
      }
    }
  }

  /// Counts one step.
  ///
  /// - Parameter rankOfPosition: [T] source rank of each token of the step.
  public func counters(step: Int, rankOfPosition: [Int32]) -> TrafficCounters {
    var counters = TrafficCounters(placement: placement, topology: topology)
    forEachRank(step: step, rankOfPosition: rankOfPosition) { row, rank, slots in
      counters.add(layerRow: row, sourceRank: rank, slots: slots, topK: source.topK)
    }
    return counters
  }

  /// [rows] the layers of one step, each with the slots of its tokens.
  ///
  /// - Parameter rankOfPosition: [T] source rank of each token of the step.
  public func batches(step: Int, rankOfPosition: [Int32]) throws -> [ServedBatch] {
    var slotsOfRow = Array(repeating: [[Int32]](), count: placement.layers.count)
    forEachRank(step: step, rankOfPosition: rankOfPosition) { row, _, slots in
      slotsOfRow[row].append(Array(slots))
    }
    return try zip(placement.layers, slotsOfRow).map { layer, slots in
      ServedBatch(
        placement: try placement.selecting(layers: [layer], name: placement.name),
        topK: source.topK, slots: slots)
    }
  }

  /// Hands over the slots [T, K] of each rank's tokens, layer by layer, ranks ascending.
  private func forEachRank(
    step: Int, rankOfPosition: [Int32],
    _ body: (_ row: Int, _ rank: Int, _ slots: UnsafeBufferPointer<Int32>) -> Void
  ) {
    let workspace = ChoiceWorkspace(placement: placement, nodeCount: topology.nodeCount)
    var counts: [Int32] = []
    var positionsOfRank = Array(repeating: [Int32](), count: topology.rankCount)
    for (position, rank) in rankOfPosition.enumerated() {
      positionsOfRank[Int(rank)].append(Int32(position))
    }
    // Layers outside: a source may route a layer of the whole step for the first rank that asks.
    for (row, layer) in placement.layers.enumerated() {
      let shares = BatchShares(
        placement: placement, layerRow: row, topology: topology, choice: choice)
      if let shares {
        counts = sourceCounts(layer: layer, step: step, positionsOfRank)
        counts.withUnsafeBufferPointer { shares.solve($0) }
      }
      for (rank, positions) in positionsOfRank.enumerated() {
        let decision = decision(layer: layer, step: step, positions)
        var slots = decision.expertIndices
        if let shares {
          counts.withUnsafeBufferPointer { shares.fill(workspace.shares, ofSource: rank, $0) }
        }
        slots.withUnsafeMutableBufferPointer { slots in
          tables[row * topology.rankCount + rank].choose(decision, into: slots, workspace)
          body(row, rank, UnsafeBufferPointer(slots))
        }
      }
    }
  }

  private func decision(layer: Int, step: Int, _ positions: [Int32]) -> RoutingDecision {
    var decision = RoutingDecision(tokenCount: positions.count, topK: source.topK)
    source.route(layer: layer, step: step, positions: positions.span, into: &decision)
    return decision
  }

  /// [R, E] assignments of each rank's tokens. The choices are looked up again afterwards: all of
  /// them together may be more than memory holds.
  private func sourceCounts(
    layer: Int, step: Int, _ positionsOfRank: [[Int32]]
  ) -> [Int32] {
    let experts = placement.expertCount
    var counts = Array(repeating: Int32(0), count: positionsOfRank.count * experts)
    counts.withUnsafeMutableBufferPointer { counts in
      for (rank, positions) in positionsOfRank.enumerated() {
        ReplicaTable.count(
          decision(layer: layer, step: step, positions),
          into: UnsafeMutableBufferPointer(
            rebasing: counts[rank * experts..<(rank + 1) * experts]))
      }
    }
    return counts
  }
}
