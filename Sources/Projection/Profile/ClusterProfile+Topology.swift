// SPDX-License-Identifier: Apache-2.0
// epsim: ranks on the nodes of a cluster profile.

public import CostModel
internal import MoE

extension ClusterProfile {
  /// More ranks than any cluster of today has.
  public static let largestRankCount = 1_048_576

  /// So many ranks on the cluster. A node of the topology is a domain of the profile.
  ///
  /// Without a number of nodes the ranks fill nodes, and nodes fill domains; only the last domain
  /// may hold fewer of them.
  /// - Parameter nodes: domains, each with as many of the ranks, which need not fill them.
  /// - Throws: ``InputError`` for ranks that do not fill nodes, do not fit, or need a level that the
  ///   profile does not state.
  public func topology(ranks: Int, nodes: Int? = nil) throws -> Topology {
    guard (1...Self.largestRankCount).contains(ranks) else {
      throw InputError("\(ranks) ranks are not accepted, 1 to \(Self.largestRankCount) are")
    }
    let topology = try nodes.map { try split(ranks, over: $0) } ?? filled(ranks)
    guard topology.nodeCount == 1 || draft.has("network.between") else {
      throw InputError(
        "cluster \(name) has no network.between, so \(ranks) ranks on \(topology.nodeCount) nodes "
          + "are not accepted, up to \(ranksPerDomain) on one are")
    }
    return topology
  }

  private func filled(_ ranks: Int) throws -> Topology {
    guard ranks.isMultiple(of: ranksPerNode) else {
      let below = ranks / ranksPerNode * ranksPerNode
      let near = (below > 0 ? "\(below) or " : "") + "\(below + ranksPerNode)"
      throw InputError(
        "\(ranks) ranks do not fill the nodes of cluster \(name), which have \(ranksPerNode) each "
          + "(ranks_per_node); accepted are whole nodes, such as \(near) ranks, or a number of "
          + "nodes that share the ranks equally")
    }
    return Topology(nodeOfRank: (0..<ranks).map { $0 / ranksPerDomain })
  }

  private func split(_ ranks: Int, over nodes: Int) throws -> Topology {
    guard (1...ranks).contains(nodes), ranks.isMultiple(of: nodes) else {
      throw InputError(
        "\(ranks) ranks on \(nodes) nodes are not accepted, a number of nodes that divides the "
          + "ranks is")
    }
    let each = ranks / nodes
    guard each <= ranksPerDomain else {
      throw InputError(
        "\(each) ranks on a node of cluster \(name) are not accepted, up to \(ranksPerDomain) are")
    }
    return Topology(ranks: ranks, nodes: nodes)
  }
}
