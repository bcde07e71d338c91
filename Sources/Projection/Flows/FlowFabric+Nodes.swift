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

    let isRelayed = wiring == .rails(.insideFirst)
    let crossingLatency = isRelayed ? inside.latency + between.latency : between.latency
    for source in 0..<nodes {
      let memory = links.inside(source)
      flows.add(traffic.inside[source], memory, latency: inside.latency)
      for destination in 0..<nodes where source != destination {
        let index = source * nodes + destination
        flows.add(
          traffic.straight[index], links.between(source, destination, crossesRails: false),
          latency: between.latency)
        guard traffic.crossing[index].bytes > 0 else { continue }
        flows.add(
          traffic.crossing[index],
          (isRelayed ? memory : [])
            + links.between(source, destination, crossesRails: !isRelayed),
          latency: crossingLatency)
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

extension FlowNetwork {
  /// Adds a route with the flows of all pairs of a share; nothing without bytes.
  mutating func add(_ share: NodeTraffic.Share, _ route: [Int], latency: Seconds) {
    guard share.bytes > 0 else { return }
    addFlow(
      route: addRoute(route, latency: latency), bytes: Bytes(share.bytes / share.pairs),
      count: Int(share.pairs))
  }
}
