// SPDX-License-Identifier: Apache-2.0
// epsim: the flows of an exchange, one per pair of ranks.

public import CostModel
internal import MoE

extension FlowFabric {
  /// Ranks or nodes whose pairs can be followed one by one: two million pairs.
  public static let largestPairwise = 1448
  static let mostPairs = largestPairwise * largestPairwise

  /// One flow per pair of different ranks with traffic, all starting together.
  ///
  /// Pairs on the same ports share a route. The segment of each of the network's levels is that of
  /// the mean message.
  /// - Precondition: traffic and topology have the same ranks.
  /// - Throws: ``InputError`` for bytes that cannot be, or more ranks than ``largestPairwise``.
  public func pairFlows(of traffic: TrafficMatrix, bytesPerCopy: Bytes) throws -> FlowNetwork {
    let ranks = topology.rankCount
    precondition(traffic.rankCount == ranks, "\(traffic.rankCount) ranks for \(ranks)")
    try Self.check(bytesPerCopy)
    try Self.check(pairsOf: ranks, "ranks")
    let messages = meanMessages(of: traffic)
    var flows = FlowNetwork()
    let links = FabricLinks(
      of: self, insideMessage: bytesPerCopy * messages.inside,
      betweenMessage: bytesPerCopy * messages.between, in: &flows)
    flows.reserve(routes: ranks * ranks, linksPerRoute: 3, flows: ranks * ranks)
    let ports = portStarts.last!
    let sharesRoutes = network.ranksPerPort > 1 && wiring != .rails(.insideFirst)
    var routes = [Int32](repeating: -1, count: sharesRoutes ? ports * ports : 0)
    let nodes = topology.nodeOfRank
    for source in 0..<ranks {
      for destination in 0..<ranks where source != destination {
        let copies = traffic[source, destination]
        guard copies > 0 else { continue }
        let bytes = bytesPerCopy * Double(copies)
        guard sharesRoutes, nodes[source] != nodes[destination] else {
          let route = links.addRoute(from: source, to: destination, in: &flows)
          flows.addFlow(route: route, bytes: bytes)
          continue
        }
        let pair = port(ofRank: source) * ports + port(ofRank: destination)
        if routes[pair] < 0 {
          routes[pair] = Int32(links.addRoute(from: source, to: destination, in: &flows))
        }
        flows.addFlow(route: Int(routes[pair]), bytes: bytes)
      }
    }
    return flows
  }

  /// The NIC of a rank among all NICs.
  func port(ofRank rank: Int) -> Int { portStarts[topology.nodeOfRank[rank]] + rail(ofRank: rank) }

  /// Mean copies of a pair with traffic, per level.
  private func meanMessages(of traffic: TrafficMatrix) -> (inside: Double, between: Double) {
    let nodes = topology.nodeOfRank
    var copies = (inside: 0.0, between: 0.0)
    var pairs = (inside: 0.0, between: 0.0)
    for source in nodes.indices {
      for destination in nodes.indices where source != destination {
        let count = traffic[source, destination]
        guard count > 0 else { continue }
        if nodes[source] == nodes[destination] {
          copies.inside += Double(count)
          pairs.inside += 1
        } else {
          copies.between += Double(count)
          pairs.between += 1
        }
      }
    }
    return (copies.inside / max(1, pairs.inside), copies.between / max(1, pairs.between))
  }

  static func check(pairsOf count: Int, _ name: String) throws {
    guard count <= largestPairwise else {
      throw InputError(
        "the flows between \(count) \(name) are too many, accepted are at most \(largestPairwise)"
          + " \(name)")
    }
  }

  static func check(_ bytesPerCopy: Bytes) throws {
    guard bytesPerCopy.value >= 0, bytesPerCopy.value <= 1e12 else {
      throw InputError("a copy has \(bytesPerCopy.value) bytes, accepted are 0 to 1e12")
    }
  }
}
