// SPDX-License-Identifier: Apache-2.0
// epsim: three closed forms of an all-to-all with unequal blocks.

/// How the messages of an all-to-all follow one another, as a closed form over a traffic matrix.
///
/// Ranks enter at once, and a message between nodes has the port to itself: ports that ranks share
/// are those of ``PortModel``. What a rank keeps costs nothing.
public enum AllToAllModel: String, Sendable, CaseIterable, Codable {
  /// Bytes by the busiest port, messages by the rank with the most partners:
  /// `latency_i m_i + latency_e m_e + max(bytes_i / bandwidth_i, bytes_e / bandwidth_e, bytes_n /
  /// total_n)`; i inside nodes, e between them, n of a node, m partners, larger of both directions.
  case hierarchical
  /// R - 1 steps, all ranks in step, rank r sending to r + p; empty messages travel too.
  case pairwise
  /// Every rank sends its messages one after the other, empty ones not.
  case linear
  /// Every rank receives its messages one after the other, empty ones not.
  case linearReceiving = "linear-receiving"

  /// The time of an exchange.
  ///
  /// Of a segmented link each message takes its segment; the bytes of a port that of its mean
  /// message.
  /// - Precondition: the topology has R ranks.
  public func time(
    of traffic: TrafficMatrix, bytesPerCopy: Bytes, topology: Topology,
    network: NetworkParameters
  ) -> Seconds {
    let ranks = traffic.rankCount
    precondition(topology.rankCount == ranks, "\(topology.rankCount) ranks for \(ranks)")
    /// The time of a message, an empty one too.
    func message(_ source: Int, _ destination: Int) -> Double {
      let sharesNode = topology.nodeOfRank[source] == topology.nodeOfRank[destination]
      let link = sharesNode ? network.inside : network.between
      return link.time(messages: 1, bytes: bytesPerCopy * Double(traffic[source, destination]))
        .value
    }
    switch self {
    case .hierarchical:
      return Self.hierarchical(
        PortLoads(traffic, topology: topology, bytesPerCopy: bytesPerCopy), network)
    case .pairwise:
      return Seconds(
        (1..<max(1, ranks)).reduce(0.0) { sum, step in
          sum + (0..<ranks).reduce(0.0) { max($0, message($1, ($1 + step) % ranks)) }
        })
    case .linear, .linearReceiving:
      var slowest = 0.0
      for rank in 0..<ranks {
        var sum = 0.0
        for peer in 0..<ranks where peer != rank {
          let (source, destination) = self == .linear ? (rank, peer) : (peer, rank)
          if traffic[source, destination] > 0 { sum += message(source, destination) }
        }
        slowest = max(slowest, sum)
      }
      return Seconds(slowest)
    }
  }

  private static func hierarchical(_ loads: PortLoads, _ network: NetworkParameters) -> Seconds {
    var (startUp, travel) = (Seconds.zero, Seconds.zero)
    let levels: [(PortLoads.Side, PortLoads.Side, LinkParameters)] = [
      (loads.insideEgress, loads.insideIngress, network.inside),
      (loads.betweenEgress, loads.betweenIngress, network.between),
    ]
    for (egress, ingress, link) in levels {
      var slowest = Seconds.zero
      for side in [egress, ingress] {
        for (copies, messages) in zip(side.copies, side.messages) where messages > 0 {
          let bytes = loads.bytesPerCopy * copies
          let segment = link.segment(ofMessage: bytes / messages)
          slowest = max(slowest, segment.latency * messages)
          travel = max(travel, bytes / segment.bandwidth)
        }
      }
      startUp += slowest
    }
    for node in [loads.bytesPerNode(\.betweenEgress), loads.bytesPerNode(\.betweenIngress)] {
      for bytes in node { travel = max(travel, bytes / network.nodeTotal) }
    }
    return startUp + travel
  }
}
