// SPDX-License-Identifier: Apache-2.0
// epsim: the time of an exchange by what passes its ports.

/// The port-serialisation bound of a cluster, prepared for many exchanges.
///
///     T = fixed + perNodeShare (1 - 1/N) + max over limits (messages * latency + bytes / bandwidth)
///
/// The limits: each rank's port inside its node, each port between nodes with the ranks that share
/// it, all ports of a node, what a node exchanges inside, the links above each leaf; egress and
/// ingress apart. It is a lower bound for every schedule, and reached by a good one on uniform
/// traffic. A port takes the segment of its mean message. One rank exchanges nothing, in no time;
/// a limit without bytes costs nothing.
public struct PortModel: Sendable {
  public let network: NetworkParameters
  public let topology: Topology
  /// What every exchange of several ranks takes.
  let base: Double
  /// [R] port between nodes.
  let portOfRank: [Int]
  /// [ports] node.
  let nodeOfPort: [Int]
  /// [ports] place among those of the node; nil where it is the only one.
  let placeOfPort: [Int?]
  var sums: PortSums

  /// - Precondition: ranks share ports in groups of at least 1.
  public init(_ network: NetworkParameters, topology: Topology) {
    precondition(network.ranksPerPort >= 1, "\(network.ranksPerPort) ranks per port")
    self.network = network
    self.topology = topology
    let nodes = Double(topology.nodeCount)
    base =
      topology.rankCount > 1
      ? network.fixed.value + (nodes > 1 ? network.perNodeShare.value * (1 - 1 / nodes) : 0) : 0
    let groups = RankGroups(groupOfRank: topology.nodeOfRank, count: topology.nodeCount)
    let share = network.ranksPerPort
    var (firstPort, nodeOfPort, placeOfPort) = ([Int](), [Int](), [Int?]())
    for node in 0..<topology.nodeCount {
      firstPort.append(nodeOfPort.count)
      let ports = 1 + (groups.size(node) - 1) / share
      nodeOfPort += Array(repeating: node, count: ports)
      placeOfPort += ports == 1 ? [nil] : (0..<ports).map { $0 }
    }
    portOfRank = topology.nodeOfRank.indices.map {
      firstPort[topology.nodeOfRank[$0]] + groups.places[$0] / share
    }
    self.nodeOfPort = nodeOfPort
    self.placeOfPort = placeOfPort
    sums = PortSums(ports: nodeOfPort.count, nodes: topology.nodeCount, ranks: topology.rankCount)
  }

  /// The time of one direction of an exchange.
  /// - Precondition: the loads are those of these ranks; leaves are counted where the network has
  ///   them.
  public mutating func time(
    of loads: PortLoads, hops: ExchangeHops = .pipelined
  ) -> ExchangeTime {
    var time = ExchangeTime(rankCount: topology.rankCount)
    evaluate(loads, hops: hops, into: &time)
    return time
  }
}

extension NetworkParameters {
  /// The time of one direction of an exchange; ``PortModel`` serves many.
  /// - Precondition: as ``PortModel/time(of:hops:)``.
  public func time(
    of loads: PortLoads, topology: Topology, hops: ExchangeHops = .pipelined
  ) -> ExchangeTime {
    var model = PortModel(self, topology: topology)
    return model.time(of: loads, hops: hops)
  }
}
