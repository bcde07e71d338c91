// SPDX-License-Identifier: Apache-2.0
// epsim: which links lie between two ranks.

public import CostModel
internal import MoE

/// Ranks on nodes, nodes on switches: everything that decides which links a flow takes.
///
/// Inside a node a flow takes the port of its source, the node's memory and the port of its
/// destination; between nodes the source's NIC, what leaves its node, the uplink of its leaf and
/// the downlink of the other's (where they differ), what enters the node, the destination's NIC.
/// Limits that the network does not have are not there. Latency is that of the level, once for a
/// flow; ``NetworkParameters/fixed`` and ``NetworkParameters/perNodeShare``, which every exchange
/// pays, are not in it.
public struct FlowFabric: Sendable {
  /// How NICs hang on leaf switches.
  public enum Wiring: Sendable, Hashable {
    /// All NICs of a node on one leaf of `nodesPerLeaf` nodes; without leaves one switch for all.
    case leaves
    /// NIC j of each node on leaf j of its pod, a pod being `nodesPerLeaf` nodes (all of them
    /// where the network has no leaves); traffic of different rails crosses as said.
    case rails(RailCrossing)
  }

  /// How a flow comes from one rail to another.
  public enum RailCrossing: Sendable, Hashable {
    /// Up from the leaf of its own rail, down on the leaf of the destination's.
    case spine
    /// Inside its node to a rank on the destination's rail first; what NCCL calls PXN.
    case insideFirst
  }

  public let topology: Topology
  public let network: NetworkParameters
  public let wiring: Wiring

  /// [R] place of each rank among the ranks of its node.
  let placeOfRank: [Int]
  /// [N] ranks of each node, ascending.
  let ranksOfNode: [[Int]]
  /// [N + 1] where the ports of each node start among all ports.
  let portStarts: [Int]

  /// - Throws: ``InputError`` for a bandwidth that is not above 0, a negative latency, or counts
  ///   below 1.
  public init(
    _ topology: Topology, _ network: NetworkParameters, wiring: Wiring = .leaves
  ) throws {
    self.topology = topology
    self.network = network
    self.wiring = wiring
    var ranksOfNode = [[Int]](repeating: [], count: topology.nodeCount)
    var placeOfRank: [Int] = []
    for (rank, node) in topology.nodeOfRank.enumerated() {
      placeOfRank.append(ranksOfNode[node].count)
      ranksOfNode[node].append(rank)
    }
    self.ranksOfNode = ranksOfNode
    self.placeOfRank = placeOfRank
    try Self.check(network)
    var portStarts = [0]
    for ranks in ranksOfNode {
      portStarts.append(portStarts.last! + (ranks.count - 1) / network.ranksPerPort + 1)
    }
    self.portStarts = portStarts
  }

  /// Port of a rank to other nodes, among those of its node: its rail.
  func rail(ofRank rank: Int) -> Int { placeOfRank[rank] / network.ranksPerPort }

  func portCount(ofNode node: Int) -> Int { portStarts[node + 1] - portStarts[node] }

  /// Nodes that hang on the same leaves.
  var nodesPerPod: Int { network.leaves?.nodesPerLeaf ?? topology.nodeCount }

  /// Leaf switches of a pod.
  var leavesPerPod: Int {
    guard case .rails = wiring else { return 1 }
    return ranksOfNode.indices.map(portCount).max() ?? 1
  }

  /// The leaf that a port hangs on.
  func leaf(node: Int, rail: Int) -> Int {
    guard case .rails = wiring else { return node / nodesPerPod }
    return node / nodesPerPod * leavesPerPod + rail
  }

  private static func check(_ network: NetworkParameters) throws {
    for (name, link) in [("inside nodes", network.inside), ("between nodes", network.between)] {
      for segment in link.segments {
        guard segment.bandwidth.value > 0 else {
          throw InputError(
            "the bandwidth \(name) is \(segment.bandwidth.value) B/s, accepted are numbers above 0")
        }
        guard segment.latency.value >= 0, segment.latency.value < .infinity else {
          throw InputError(
            "the latency \(name) is \(segment.latency.value) s, accepted are 0 and finite numbers"
              + " above")
        }
      }
    }
    let totals = [
      ("inside a node", network.insideTotal), ("of what leaves a node", network.nodeTotal),
      ("of a leaf's uplinks", network.leaves?.uplinks ?? .infinity),
    ]
    for (name, total) in totals where !(total.value > 0) {
      throw InputError(
        "the total bandwidth \(name) is \(total.value) B/s, accepted are numbers above 0")
    }
    guard network.ranksPerPort >= 1 else {
      throw InputError("\(network.ranksPerPort) ranks share a port, accepted are 1 and more")
    }
    guard network.leaves?.nodesPerLeaf ?? 1 >= 1 else {
      throw InputError(
        "a leaf has \(network.leaves?.nodesPerLeaf ?? 0) nodes, accepted are 1 and more")
    }
  }
}
