// SPDX-License-Identifier: Apache-2.0
// epsim: which rank lives on which node.

/// Ranks and the nodes they live on. Nodes may hold unequal numbers of ranks.
public struct Topology: Sendable, Equatable, Codable {
  /// [R] node of each rank, nodes numbered from 0 in order of their first rank.
  public let nodeOfRank: [Int]
  /// N, the nodes.
  public let nodeCount: Int
  /// R, the ranks.
  public var rankCount: Int { nodeOfRank.count }

  /// [N] the lowest rank of each node.
  public var firstRankOfNode: [Int] {
    (0..<nodeCount).map { node in nodeOfRank.firstIndex(of: node)! }
  }

  /// - Precondition: node numbers are 0 ..< N without gaps.
  public init(nodeOfRank: [Int]) {
    let count = (nodeOfRank.max() ?? -1) + 1
    precondition(
      Set(nodeOfRank) == Set(0..<count) && !nodeOfRank.isEmpty,
      "nodes \(nodeOfRank) are not numbered 0 ..< \(count)")
    self.nodeOfRank = nodeOfRank
    nodeCount = count
  }

  /// `nodes` equal blocks of consecutive ranks; where they do not divide, rank r is on node
  /// floor(r N / R).
  /// - Precondition: 1 <= nodes <= ranks.
  public init(ranks: Int, nodes: Int = 1) {
    precondition(nodes >= 1 && nodes <= ranks, "\(nodes) nodes for \(ranks) ranks")
    self.init(nodeOfRank: (0..<ranks).map { $0 * nodes / ranks })
  }
}
