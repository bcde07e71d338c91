// SPDX-License-Identifier: Apache-2.0
// epsim: the flows of an exchange, one per pair of nodes.

internal import CostModel
internal import MoE

extension FlowFabric {
  /// Flows between nodes, each for all pairs of their ranks; a node's ports are one.
  ///
  /// N (N - 1) routes instead of R (R - 1), twice that where rails are crossed.
  /// - Precondition: the traffic was made on a fabric of as many nodes.
  /// - Throws: ``InputError`` for more nodes than ``largestPairwise``.
  public func nodeFlows(of traffic: NodeTraffic) throws -> FlowNetwork {
    let nodes = topology.nodeCount
    try Self.check(pairsOf: nodes, "nodes")
    precondition(traffic.nodeCount == nodes, "\(traffic.nodeCount) nodes for \(nodes)")
    var flows = FlowNetwork()
    let inside = network.inside.segment(ofMessage: traffic.insideMessage)
    let between = network.between.segment(ofMessage: traffic.betweenMessage)
    let links = NodeLinks(of: self, inside.bandwidth, between.bandwidth, in: &flows)
    let hasCrossings = traffic.crossing.contains { $0.bytes > 0 }
    let routes = nodes * nodes * (hasCrossings ? 2 : 1)
    flows.reserve(routes: routes, linksPerRoute: 4, flows: routes)

    func add(_ share: NodeTraffic.Share, _ route: [Int], latency: Seconds) {
      flows.addFlow(
        route: flows.addRoute(route, latency: latency), bytes: Bytes(share.bytes / share.pairs),
        count: Int(share.pairs))
    }
    for source in 0..<nodes {
      if traffic.inside[source].bytes > 0 {
        add(traffic.inside[source], links.inside(source), latency: inside.latency)
      }
      for destination in 0..<nodes where source != destination {
        let straight = traffic.straight[source * nodes + destination]
        if straight.bytes > 0 {
          add(
            straight, links.between(source, destination, crossesRails: false),
            latency: between.latency)
        }
        let crossing = traffic.crossing[source * nodes + destination]
        guard crossing.bytes > 0 else { continue }
        if wiring == .rails(.insideFirst) {
          add(
            crossing,
            links.inside(source) + links.between(source, destination, crossesRails: false),
            latency: inside.latency + between.latency)
        } else {
          add(
            crossing, links.between(source, destination, crossesRails: true),
            latency: between.latency)
        }
      }
    }
    return flows
  }

  /// The rail of a rank where rails are wired apart, else 0.
  func switchRail(_ rank: Int) -> Int {
    guard case .rails = wiring else { return 0 }
    return rail(ofRank: rank)
  }
}

/// The links of a fabric whose nodes are single ports.
private struct NodeLinks {
  private let fabric: FlowFabric
  /// [N] ports of the ranks inside their node and its memory.
  private var rankOut: [Int] = []
  private var memory: [Int] = []
  private var rankIn: [Int] = []
  /// [N] all NICs of a node.
  private var out: [Int] = []
  private var into: [Int] = []
  /// [pods] all uplinks of a pod's leaves; empty where nothing above the leaves binds.
  private var up: [Int] = []
  private var down: [Int] = []

  init(
    of fabric: FlowFabric, _ insideBandwidth: BytesPerSecond, _ betweenBandwidth: BytesPerSecond,
    in flows: inout FlowNetwork
  ) {
    self.fabric = fabric
    let network = fabric.network
    for (node, ranks) in fabric.ranksOfNode.enumerated() {
      let ports = insideBandwidth * Double(ranks.count)
      rankOut.append(
        flows.addLink("egress of the ranks of node \(node) inside it", capacity: ports))
      memory.append(flows.addLink("inside of node \(node)", capacity: network.insideTotal))
      rankIn.append(
        flows.addLink("ingress of the ranks of node \(node) inside it", capacity: ports))
      let nics = min(
        betweenBandwidth * Double(fabric.portCount(ofNode: node)), network.nodeTotal)
      out.append(flows.addLink("NIC egress of node \(node)", capacity: nics))
      into.append(flows.addLink("NIC ingress of node \(node)", capacity: nics))
    }
    guard let leaves = network.leaves else { return }
    let uplinks = leaves.uplinks * Double(fabric.leavesPerPod)
    let name = fabric.leavesPerPod > 1 ? "the leaves of pod" : "leaf"
    for pod in 0...(fabric.ranksOfNode.count - 1) / leaves.nodesPerLeaf {
      up.append(flows.addLink("uplinks of \(name) \(pod)", capacity: uplinks))
      down.append(flows.addLink("downlinks of \(name) \(pod)", capacity: uplinks))
    }
  }

  func inside(_ node: Int) -> [Int] { [rankOut[node], memory[node], rankIn[node]] }

  func between(_ source: Int, _ destination: Int, crossesRails: Bool) -> [Int] {
    let (pod, lastPod) = (source / fabric.nodesPerPod, destination / fabric.nodesPerPod)
    return up.isEmpty || pod == lastPod && !crossesRails
      ? [out[source], into[destination]]
      : [out[source], up[pod], down[lastPod], into[destination]]
  }
}
