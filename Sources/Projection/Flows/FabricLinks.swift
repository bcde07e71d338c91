// SPDX-License-Identifier: Apache-2.0
// epsim: the links of a fabric in a flow network, and routes over them.

internal import CostModel

/// The links of a fabric, added to a flow network.
struct FabricLinks {
  private let fabric: FlowFabric
  private let insideLatency: Seconds
  private let betweenLatency: Seconds
  /// [R] rank's port to its node, each way.
  private var rankOut: [Int] = []
  private var rankIn: [Int] = []
  /// [ports] NIC, each way.
  private var portOut: [Int] = []
  private var portIn: [Int] = []
  /// [N]
  private var inside: [Int] = []
  private var nodeOut: [Int] = []
  private var nodeIn: [Int] = []
  /// [leaves]; empty where nothing above them binds.
  private var leafUp: [Int] = []
  private var leafDown: [Int] = []

  /// Adds all links.
  /// - Parameters:
  ///   - insideMessage: A typical message inside a node, which chooses the segment.
  ///   - betweenMessage: One between nodes.
  init(
    of fabric: FlowFabric, insideMessage: Bytes, betweenMessage: Bytes, in flows: inout FlowNetwork
  ) {
    self.fabric = fabric
    let network = fabric.network
    let insideSegment = network.inside.segment(ofMessage: insideMessage)
    let betweenSegment = network.between.segment(ofMessage: betweenMessage)
    (insideLatency, betweenLatency) = (insideSegment.latency, betweenSegment.latency)
    for rank in fabric.placeOfRank.indices {
      rankOut.append(
        flows.addLink("egress of rank \(rank) inside its node", capacity: insideSegment.bandwidth))
      rankIn.append(
        flows.addLink("ingress of rank \(rank) inside its node", capacity: insideSegment.bandwidth))
    }
    for node in fabric.ranksOfNode.indices {
      inside.append(flows.addLink("inside of node \(node)", capacity: network.insideTotal))
      nodeOut.append(flows.addLink("egress of node \(node)", capacity: network.nodeTotal))
      nodeIn.append(flows.addLink("ingress of node \(node)", capacity: network.nodeTotal))
      for port in 0..<fabric.portCount(ofNode: node) {
        let name = fabric.portName(node: node, port: port)
        portOut.append(flows.addLink("NIC egress of \(name)", capacity: betweenSegment.bandwidth))
        portIn.append(flows.addLink("NIC ingress of \(name)", capacity: betweenSegment.bandwidth))
      }
    }
    guard let leaves = network.leaves else { return }
    let pods = (fabric.ranksOfNode.count - 1) / leaves.nodesPerLeaf + 1
    for leaf in 0..<pods * fabric.leavesPerPod {
      leafUp.append(flows.addLink("uplinks of leaf \(leaf)", capacity: leaves.uplinks))
      leafDown.append(flows.addLink("downlinks of leaf \(leaf)", capacity: leaves.uplinks))
    }
  }

  /// Adds the route between two different ranks.
  func addRoute(from source: Int, to destination: Int, in flows: inout FlowNetwork) -> Int {
    let start = fabric.topology.nodeOfRank[source]
    let end = fabric.topology.nodeOfRank[destination]
    if start == end {
      extendInside(from: source, to: destination, in: &flows)
      return flows.closeRoute(latency: insideLatency)
    }
    var (rail, latency) = (fabric.rail(ofRank: source), betweenLatency)
    let lastRail = fabric.rail(ofRank: destination)
    if rail != lastRail, fabric.wiring == .rails(.insideFirst),
      lastRail < fabric.portCount(ofNode: start)
    {
      let relay = fabric.relay(of: source, onRail: lastRail)
      extendInside(from: source, to: relay, in: &flows)
      (rail, latency) = (lastRail, insideLatency + betweenLatency)
    }
    flows.extendRoute(portOut[fabric.portStarts[start] + rail])
    flows.extendRoute(nodeOut[start])
    if !leafUp.isEmpty {
      let leaf = fabric.leaf(node: start, rail: rail)
      let lastLeaf = fabric.leaf(node: end, rail: lastRail)
      if leaf != lastLeaf {
        flows.extendRoute(leafUp[leaf])
        flows.extendRoute(leafDown[lastLeaf])
      }
    }
    flows.extendRoute(nodeIn[end])
    flows.extendRoute(portIn[fabric.portStarts[end] + lastRail])
    return flows.closeRoute(latency: latency)
  }

  private func extendInside(from source: Int, to destination: Int, in flows: inout FlowNetwork) {
    flows.extendRoute(rankOut[source])
    flows.extendRoute(inside[fabric.topology.nodeOfRank[source]])
    flows.extendRoute(rankIn[destination])
  }
}

extension FlowFabric {
  func portName(node: Int, port: Int) -> String {
    if network.ranksPerPort == 1 { return "rank \(ranksOfNode[node][port])" }
    if portCount(ofNode: node) == 1 { return "node \(node)" }
    return "port \(port) of node \(node)"
  }

  /// The rank of the source's node that passes rows on to another rail: the one that stands to
  /// that rail as the source stands to its own, or the last.
  fileprivate func relay(of source: Int, onRail rail: Int) -> Int {
    let ranks = ranksOfNode[topology.nodeOfRank[source]]
    let place = rail * network.ranksPerPort + placeOfRank[source] % network.ranksPerPort
    return ranks[min(place, ranks.count - 1)]
  }
}
