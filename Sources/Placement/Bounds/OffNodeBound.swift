// SPDX-License-Identifier: Apache-2.0
// epsim: copies that leave nodes under every placement.

public import CostModel
public import Workloads

/// What the tokens of each node must send to others, whatever stands where.
///
/// A node has room for so many experts; the tokens stay where they are. Replicas are allowed
/// everywhere, so the bound holds for every placement with these slots and every replica choice.
public struct OffNodeBound: Sendable, Equatable {
  /// [N] copies that leave each node, one per assignment.
  public let raw: [Double]
  /// [N] copies that leave each node, one per token and node.
  public let nodeDedup: [Double]
  /// [R] whether the tokens of a rank surely send something to other nodes.
  public let mustSend: [Bool]

  /// - Parameter slotsPerRank: [R]
  /// - Precondition: slots and ranks are those of the topology.
  public init(_ bundles: RoutingBundles, slotsPerRank: [Int], topology: Topology) {
    precondition(
      slotsPerRank.count == topology.rankCount && bundles.rankCount == topology.rankCount,
      "\(slotsPerRank.count) ranks of slots, \(bundles.rankCount) of tokens")
    let (experts, counts) = (bundles.expertCount, bundles.sourceCounts)
    var room = Array(repeating: 0, count: topology.nodeCount)
    var ranks = Array(repeating: Set<Int>(), count: topology.nodeCount)
    for (rank, node) in topology.nodeOfRank.enumerated() {
      room[node] = min(experts, room[node] + slotsPerRank[rank])
      ranks[node].insert(rank)
    }
    func leaving(_ sources: Set<Int>, _ node: Int) -> Int {
      let sums = (0..<experts).map { expert in
        sources.reduce(0) { $0 + counts[$1 * experts + expert] }
      }
      return sums.reduce(0, +) - sums.sorted(by: >).prefix(room[node]).reduce(0, +)
    }
    raw = ranks.indices.map { Double(leaving(ranks[$0], $0)) }
    mustSend = topology.nodeOfRank.enumerated().map { leaving([$0.offset], $0.element) > 0 }
    // A third level of companions costs E^2 sums a node: too many beyond 64 experts.
    let depth = experts <= 64 ? 3 : 2
    let cover = CoverBound(bundles)
    var tokens = Array(repeating: 0.0, count: topology.nodeCount)
    for (bundle, source) in bundles.sources.enumerated() {
      tokens[topology.nodeOfRank[Int(source)]] += Double(bundles.multiplicities[bundle])
    }
    nodeDedup = ranks.indices.map { node in
      guard room[node] < experts else { return 0 }
      let covered = cover.tokens(ofSources: ranks[node], coveredBy: room[node], depth: depth)
      // Whole tokens; rounding must not lift a bound.
      return max(0, (tokens[node] - covered - 1e-6 * tokens[node]).rounded(.up))
    }
  }
}
