// SPDX-License-Identifier: Apache-2.0
// epsim: the links of a cluster profile as the cost model takes them.

public import CostModel

extension ClusterProfile {
  /// The links, with a domain of the profile as a node of the cost model.
  ///
  /// What a profile does not state is infinite, or nothing is charged for it. An oversubscribed leaf
  /// has uplinks of nodes x what a node can send / the ratio; what a node can send is its ports'
  /// bandwidth at large messages, or its total where that is less.
  public var network: NetworkParameters {
    let nodesPerDomain = Double(ranksPerDomain / ranksPerNode)
    let between = link("network.between")
    let ranksPerPort = count("network.between.ranks_per_port") ?? 1
    let total = rate("network.between.total")
    return NetworkParameters(
      fixed: time("network.fixed"), perNodeShare: time("network.per_node_share"),
      inside: link("network.inside"), insideTotal: rate("network.inside.total") * nodesPerDomain,
      between: between, ranksPerPort: ranksPerPort, nodeTotal: total * nodesPerDomain,
      leaves: number("network.leaf.nodes").map { nodes in
        let ports = Double(ranksPerNode) / Double(ranksPerPort)
        let node = min(ports * between.segments[between.segments.count - 1].bandwidth, total)
        return NetworkParameters.LeafLevel(
          nodesPerLeaf: Int(nodes / nodesPerDomain),
          uplinks: number("network.leaf.uplinks").map { BytesPerSecond($0) }
            ?? node * (nodes / (number("network.leaf.oversubscription") ?? 1)))
      }, overlapFactor: min(1, number("network.overlap") ?? 1))
  }

  /// What carries a level, for words: `NVLink`, `InfiniBand NDR`; nil for a level that the profile
  /// does not state.
  public func kind(of level: Level) -> String? { draft.text("network.\(level.rawValue).kind") }

  /// A level of links.
  public enum Level: String, Sendable, CaseIterable {
    case inside, between
  }

  private func link(_ level: String) -> LinkParameters {
    if draft.has("\(level).segments") {
      return LinkParameters(
        segments: draft.segmentSizes(level).map { from in
          LinkParameters.Segment(
            from: Bytes(from.size), latency: time("\(level).segments.\(from.text).latency"),
            bandwidth: rate("\(level).segments.\(from.text).bandwidth"))
        })
    }
    return LinkParameters(latency: time("\(level).latency"), bandwidth: rate("\(level).bandwidth"))
  }

  func time(_ key: String) -> Seconds { number(key).map { Seconds($0) } ?? .zero }
  func rate(_ key: String) -> BytesPerSecond { number(key).map { BytesPerSecond($0) } ?? .infinity }
}
