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
    var uses = Array(repeating: Int32(0), count: placement.expertCount)
    var positionsOfRank = Array(repeating: [Int32](), count: topology.rankCount)
    for (position, rank) in rankOfPosition.enumerated() {
      positionsOfRank[Int(rank)].append(Int32(position))
    }
    // Layers outside: a source may route a layer of the whole step for the first rank that asks.
    for (row, layer) in placement.layers.enumerated() {
      for (rank, positions) in positionsOfRank.enumerated() {
        var decision = RoutingDecision(tokenCount: positions.count, topK: source.topK)
        var slots = decision.expertIndices
        source.route(layer: layer, step: step, positions: positions.span, into: &decision)
        slots.withUnsafeMutableBufferPointer { slots in
          uses.withUnsafeMutableBufferPointer { uses in
            tables[row * topology.rankCount + rank].choose(decision, into: slots, uses: uses)
          }
          counters.add(
            layerRow: row, sourceRank: rank, slots: UnsafeBufferPointer(slots), topK: source.topK)
        }
      }
    }
    return counters
  }
}
