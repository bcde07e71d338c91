// SPDX-License-Identifier: Apache-2.0
// epsim: which rank of a node takes in the copies of which rank of another node.

internal import CostModel

/// The partners of ranks on other nodes: every rank has one on every node, spread evenly, whatever
/// the numbers of ranks per node.
struct NodeRails {
  private let topology: Topology
  /// [N] ranks of each node, ascending.
  let ranksOfNode: [[Int]]
  /// [R] place of each rank among those of its node.
  private let placeOfRank: [Int]

  init(_ topology: Topology) {
    self.topology = topology
    var ranks = Array(repeating: [Int](), count: topology.nodeCount)
    var places: [Int] = []
    for (rank, node) in topology.nodeOfRank.enumerated() {
      places.append(ranks[node].count)
      ranks[node].append(rank)
    }
    ranksOfNode = ranks
    placeOfRank = places
  }

  /// The rank of `node` that takes in what `source` sends there; the source on its own node.
  ///
  /// The i-th of a ranks goes to the floor(i b / a)-th of b; where a < b, source nodes begin at
  /// different ranks.
  func rail(from source: Int, to node: Int) -> Int {
    let home = topology.nodeOfRank[source]
    if home == node { return source }
    let (sources, targets) = (ranksOfNode[home].count, ranksOfNode[node].count)
    let place = placeOfRank[source] * targets / sources
    return ranksOfNode[node][(place + home) % targets]
  }

  /// [R] the rank that takes in what `source` sends to each rank.
  func targets(of source: Int) -> [Int] {
    let rails = ranksOfNode.indices.map { rail(from: source, to: $0) }
    return topology.nodeOfRank.map { rails[$0] }
  }

  /// The ranks whose copies for its node `rank` takes in, itself included; ascending.
  func sources(of rank: Int) -> [Int] {
    let node = topology.nodeOfRank[rank]
    return topology.nodeOfRank.indices.filter { rail(from: $0, to: node) == rank }
  }
}
