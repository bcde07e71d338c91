// SPDX-License-Identifier: Apache-2.0
// epsim: which rank of a node takes in the copies of which rank of another node.

/// The partners of ranks on other nodes, where one copy per node travels: every rank has one on
/// every node, spread evenly, whatever the numbers of ranks per node.
///
/// The i-th of a ranks sends to the floor(i b / a)-th of b; where a < b, source nodes begin at
/// different ranks.
public struct NodePartners: Sendable {
  private let topology: Topology
  private let nodes: RankGroups

  public init(_ topology: Topology) {
    self.topology = topology
    nodes = RankGroups(groupOfRank: topology.nodeOfRank, count: topology.nodeCount)
  }

  /// The rank of `node` that takes in what `source` sends there; the source on its own node.
  public func partner(of source: Int, on node: Int) -> Int {
    let home = topology.nodeOfRank[source]
    if home == node { return source }
    let (sources, targets) = (nodes.size(home), nodes.size(node))
    let place = nodes.places[source] * targets / sources
    return nodes.ranks[nodes.offsets[node] + (place + home) % targets]
  }

  /// [R] the rank that takes in what `source` sends to each rank.
  public func targets(of source: Int) -> [Int] {
    let partners = (0..<topology.nodeCount).map { partner(of: source, on: $0) }
    return topology.nodeOfRank.map { partners[$0] }
  }

  /// The ranks whose copies for its node `rank` takes in, itself included; ascending.
  public func sources(of rank: Int) -> [Int] {
    let node = topology.nodeOfRank[rank]
    return topology.nodeOfRank.indices.filter { partner(of: $0, on: node) == rank }
  }

  /// The ranks of a node, ascending.
  public func ranks(ofNode node: Int) -> [Int] { Array(nodes[node]) }
}
