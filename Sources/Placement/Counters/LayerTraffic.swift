// SPDX-License-Identifier: Apache-2.0
// epsim: what one layer (or a sum of layers) sends where, in copies of token rows.

public import CostModel

/// Traffic of one batch in one layer; the counters of different batches and layers can be summed.
///
/// For token t on source rank s with K assignments: D(t) is the set of destination ranks, M(t) the
/// set of their nodes. Dropped assignments are counted but sent nowhere.
public struct LayerTraffic: Sendable, Equatable {
  /// Ranks and nodes.
  public let topology: Topology
  /// Tokens, those included whose assignments were all dropped.
  public let tokens: Int
  /// Assignments that were dropped.
  public let droppedAssignments: Int
  /// Tokens that lost all their assignments.
  public let droppedTokens: Int
  /// V: a copy per assignment.
  public let raw: TrafficMatrix
  /// A copy per token and destination rank: sum of |D(t)|.
  public let rankDedup: TrafficMatrix
  /// [R, N] a copy per token and destination node, from source rank to node: sum of |M(t)|.
  public let nodeDedup: [Int]

  /// Assignments that are not dropped.
  public var assignments: Int { raw.total }
  /// Assignments served on their token's own rank.
  public var local: Int { raw.local }
  /// [R] assignments that each rank serves, local ones included: its load.
  public var receivedPerRank: [Int] { raw.columnSums }
  /// [R] tokens that each rank gets when a token comes once, local ones included.
  public var rankDedupReceivedPerRank: [Int] { rankDedup.columnSums }
  /// [N] assignments that each node serves.
  public var receivedPerNode: [Int] {
    var loads = Array(repeating: 0, count: topology.nodeCount)
    for (rank, load) in receivedPerRank.enumerated() { loads[topology.nodeOfRank[rank]] += load }
    return loads
  }

  /// Token-rank pairs, own ranks included: sum of |D(t)|.
  public var tokenRankPairs: Int { rankDedup.total }
  /// Token-node pairs, own nodes included: sum of |M(t)|.
  public var tokenNodePairs: Int { nodeDedup.reduce(0, +) }
  /// Distinct destination ranks per token, its own included; 0 without tokens.
  public var fanOutRanks: Double { tokens == 0 ? 0 : Double(tokenRankPairs) / Double(tokens) }
  /// Distinct destination nodes per token, its own included; 0 without tokens.
  public var fanOutNodes: Double { tokens == 0 ? 0 : Double(tokenNodePairs) / Double(tokens) }

  /// Assignments that leave their rank.
  public var offRankRaw: Int { raw.offRank }
  /// Copies that leave their rank, one per token and rank.
  public var offRankRankDedup: Int { rankDedup.offRank }
  /// Assignments that leave their node.
  public var offNodeRaw: Int { raw.offNode(topology) }
  /// Copies that leave their node, one per token and rank.
  public var offNodeRankDedup: Int { rankDedup.offNode(topology) }
  /// Copies that leave their node, one per token and node.
  public var offNodeNodeDedup: Int {
    topology.nodeOfRank.enumerated().reduce(tokenNodePairs) { left, entry in
      left - nodeDedup[entry.offset * topology.nodeCount + entry.element]
    }
  }
}
