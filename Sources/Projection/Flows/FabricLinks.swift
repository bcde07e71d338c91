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
  /// [leaves]; empty where nothing above the leaves binds.
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
    guard let leaves = network.leaves else {
      // Rails without a limit above them still have leaves, whose uplinks never bind.
      return
    }
    let pods = (fabric.ranksOfNode.count - 1) / leaves.nodesPerLeaf + 1
    for leaf in 0..<pods * fabric.leavesPerPod {
      leafUp.append(flows.addLink("uplinks of leaf \(leaf)", capacity: leaves.uplinks))
      leafDown.append(flows.addLink("downlinks of leaf \(leaf)", capacity: leaves.uplinks))
    }
  }

  /// Adds the route between two different ranks.
  func addRoute(from source: Int, to destination: Int, in flows: inout FlowNetwork) -> Int {
    let nodes = fabric.topology.nodeOfRank
    let (start, end) = (nodes[source], nodes[destination])
    if start == end {
      return flows.addRoute(
        [rankOut[source], inside[start], rankIn[destination]], latency: insideLatency)
    }
    let (rail, lastRail) = (fabric.rail(ofRank: source), fabric.rail(ofRank: destination))
    guard rail != lastRail, fabric.wiring == .rails(.insideFirst),
      lastRail < fabric.portCount(ofNode: start)
    else {
      return addRoute(start, rail, end, lastRail, before: nil, betweenLatency, &flows)
    }
    let relay = fabric.relay(of: source, onRail: lastRail)
    return addRoute(
      start, lastRail, end, lastRail, before: (rankOut[source], inside[start], rankIn[relay]),
      insideLatency + betweenLatency, &flows)
  }

  private func addRoute(
    _ start: Int, _ rail: Int, _ end: Int, _ lastRail: Int, before: (Int, Int, Int)?,
    _ latency: Seconds, _ flows: inout FlowNetwork
  ) -> Int {
    let out = portOut[fabric.portStarts[start] + rail]
    let into = portIn[fabric.portStarts[end] + lastRail]
    let leaf = fabric.leaf(node: start, rail: rail)
    let lastLeaf = fabric.leaf(node: end, rail: lastRail)
    if let before {
      return flows.addRoute(
        leaf == lastLeaf || leafUp.isEmpty
          ? [before.0, before.1, before.2, out, nodeOut[start], nodeIn[end], into]
          : [
            before.0, before.1, before.2, out, nodeOut[start], leafUp[leaf], leafDown[lastLeaf],
            nodeIn[end], into,
          ],
        latency: latency)
    }
    return flows.addRoute(
      leaf == lastLeaf || leafUp.isEmpty
        ? [out, nodeOut[start], nodeIn[end], into]
        : [out, nodeOut[start], leafUp[leaf], leafDown[lastLeaf], nodeIn[end], into],
      latency: latency)
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
