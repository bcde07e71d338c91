// SPDX-License-Identifier: Apache-2.0
// epsim: copies that leave nodes under every placement.

public import CostModel
public import Workloads

/// What the tokens of all nodes must send to others, whatever stands where.
///
/// The tokens stay where they are. An expert on a node saves the copies that the node's tokens
/// would send to it. Every expert stands somewhere, which saves at most what it saves on its best
/// node; each slot beyond one per expert saves at most the most of what is left. Replicas are
/// allowed everywhere, so the bound holds for every placement with so many slots, one for all
/// windows, and every replica choice.
public struct OffNodeBound: Sendable, Equatable {
  /// Copies that leave their nodes, one per assignment; each times the weight of its node.
  public let raw: Double
  /// Copies that leave their nodes, one per token and node; each times the weight of its node.
  public let nodeDedup: Double

  /// Shapes: `slotsPerRank` [R]; `weights` [N], 1 of each node where they are nil.
  ///
  /// - Parameter windows: at least one; the same placement serves them all.
  /// - Precondition: slots, weights and windows are those of the topology.
  public init(
    _ windows: [RoutingBundles], slotsPerRank: [Int], topology: Topology,
    weights: [Double]? = nil
  ) {
    let (ranks, nodes, experts) = (
      topology.rankCount, topology.nodeCount, windows[0].expertCount
    )
    let weights = weights ?? Array(repeating: 1, count: nodes)
    precondition(
      slotsPerRank.count == ranks && weights.count == nodes
        && windows.allSatisfy { $0.rankCount == ranks && $0.expertCount == experts },
      "\(slotsPerRank.count) ranks of slots, \(windows[0].rankCount) of tokens")
    let room = Self.room(slotsPerRank, topology: topology, expertCount: experts)
    let counts = windows.map(\.sourceCounts)
    var assignments = Array(repeating: 0.0, count: nodes * experts)
    for (cell, count) in counts.lazy.flatMap({ $0.enumerated() }) {
      assignments[topology.nodeOfRank[cell / experts] * experts + cell % experts] += Double(count)
    }
    let slots = ExpertSlots(room: room, count: slotsPerRank.reduce(0, +), expertCount: experts)
    func leaving(_ all: Double, saved: [Double]) -> Double {
      // Rounding must not lift a bound.
      max(0, all - slots.most(saved) - 1e-9 * all)
    }
    func weighted(_ values: [Double]) -> [Double] {
      values.indices.map { values[$0] * weights[$0 * nodes / values.count] }
    }
    let raw = weighted(assignments)
    self.raw = leaving(raw.reduce(0, +), saved: raw)

    // A third level of companions costs E^2 sums a node: too many beyond 64 experts.
    let depth = experts <= 64 ? 3 : 2
    var (tokens, covered) = ([Double](), [Double]())
    for node in 0..<nodes {
      let cover = CoverBound(windows, node: node, topology: topology)
      tokens.append(cover.tokenCount)
      covered += cover.savings(coveredBy: room[node], depth: depth)
    }
    nodeDedup = leaving(weighted(tokens).reduce(0, +), saved: weighted(covered))
  }

  /// [R] whether the tokens of a rank surely send something to other nodes, in every window.
  ///
  /// - Parameter slotsPerRank: [R]
  /// - Precondition: slots and windows are those of the topology.
  public static func mustSend(
    _ windows: [RoutingBundles], slotsPerRank: [Int], topology: Topology
  ) -> [Bool] {
    let experts = windows[0].expertCount
    let room = room(slotsPerRank, topology: topology, expertCount: experts)
    let counts = windows.map(\.sourceCounts)
    return topology.nodeOfRank.enumerated().map { rank, node in
      counts.allSatisfy { counts in
        counts[rank * experts..<(rank + 1) * experts].count { $0 > 0 } > room[node]
      }
    }
  }

  /// [N] experts that fit on each node.
  private static func room(
    _ slotsPerRank: [Int], topology: Topology, expertCount: Int
  ) -> [Int] {
    var room = Array(repeating: 0, count: topology.nodeCount)
    for (rank, node) in topology.nodeOfRank.enumerated() {
      room[node] = min(expertCount, room[node] + slotsPerRank[rank])
    }
    return room
  }
}

/// Slots of nodes, to be filled with experts.
private struct ExpertSlots {
  /// [N] experts that fit on each.
  let room: [Int]
  /// Slots of all.
  let count: Int
  let expertCount: Int

  /// The most that experts on nodes can save together. Shape: `savings` [N, E].
  func most(_ savings: [Double]) -> Double {
    let nodes = room.count
    var (first, others) = (0.0, [Double]())
    for expert in 0..<expertCount {
      let values = (0..<nodes).map { savings[$0 * expertCount + expert] }.sorted(by: >)
      first += values[0]
      others += values.dropFirst()
    }
    let together =
      first + others.sorted(by: >).prefix(max(0, count - expertCount)).reduce(0, +)
    let apart = (0..<nodes).reduce(0.0) { sum, node in
      let own = savings[node * expertCount..<(node + 1) * expertCount]
      return sum + own.sorted(by: >).prefix(room[node]).reduce(0, +)
    }
    return min(together, apart)
  }
}
