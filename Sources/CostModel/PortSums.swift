// SPDX-License-Identifier: Apache-2.0
// epsim: what ranks pass through the ports that they share.

/// A time in two parts, and the limit that asks for it.
struct PortNeed: Sendable {
  /// The limits of ``BindingLimit`` without their place.
  enum Limit: Sendable {
    case rankEgress, rankIngress, portEgress, portIngress, nodeEgress, nodeIngress, nodeMemory
    case leafEgress, leafIngress
  }

  var startUp = 0.0
  var travel = 0.0
  var limit = Limit.rankEgress
  var place = -1

  var total: Double { startUp + travel }

  /// The larger of the two.
  @inline(__always)
  mutating func take(_ other: PortNeed) { if other.total > total { self = other } }

  /// What bytes in one direction need of a limit without messages of its own.
  @inline(__always)
  mutating func take(_ bytes: Double, _ rate: BytesPerSecond, _ limit: Limit, _ place: Int) {
    take(PortNeed(travel: (Bytes(bytes) / rate).value, limit: limit, place: place))
  }

  /// What messages need of a port.
  @inline(__always)
  mutating func take(
    messages: Double, bytes: Double, _ link: LinkParameters, _ limit: Limit, _ place: Int
  ) {
    guard messages > 0 else { return }
    let segment = link.segment(ofMessage: Bytes(bytes / messages))
    take(
      PortNeed(
        startUp: segment.latency.value * messages,
        travel: (Bytes(bytes) / segment.bandwidth).value, limit: limit, place: place))
  }
}

/// Sums over the ranks that share a port or a node; room that is used again for each exchange.
struct PortSums: Sendable {
  /// Messages and bytes of one port and direction.
  struct Load: Sendable {
    var messages = 0.0
    var bytes = 0.0
  }

  /// [ports]
  var egress: [Load]
  /// [ports]
  var ingress: [Load]
  /// [N] bytes that leave the node.
  var nodeEgress: [Double]
  /// [N] bytes that enter it.
  var nodeIngress: [Double]
  /// [N] bytes that stay in it.
  var nodeInside: [Double]
  /// [N] the slowest first hop of a rank of the node.
  var firstHop: [PortNeed]
  /// [R] the slowest of what a rank needs between nodes.
  var between: [PortNeed]
  /// [R] the slowest of what a rank needs inside its node.
  var inside: [PortNeed]

  init(ports: Int, nodes: Int, ranks: Int) {
    egress = Array(repeating: Load(), count: ports)
    ingress = egress
    nodeEgress = Array(repeating: 0, count: nodes)
    (nodeIngress, nodeInside) = (nodeEgress, nodeEgress)
    firstHop = Array(repeating: PortNeed(), count: nodes)
    between = Array(repeating: PortNeed(), count: ranks)
    inside = between
  }

  /// Forgets the last exchange.
  mutating func clear() {
    for port in egress.indices { (egress[port], ingress[port]) = (Load(), Load()) }
    for node in nodeEgress.indices {
      (nodeEgress[node], nodeIngress[node], nodeInside[node]) = (0, 0, 0)
      firstHop[node] = PortNeed()
    }
  }
}
