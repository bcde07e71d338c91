// SPDX-License-Identifier: Apache-2.0
// epsim: the order in which an MPI_Alltoallv sends, and what it costs.

public import CostModel
internal import MoE

/// An algorithm of `MPI_Alltoallv` on ranks with given links, followed message by message.
///
/// A message of m bytes takes its level's latency + m / bandwidth, in the segment of its size. The
/// ranks of a node that share a NIC get equal parts of it. Other sharing is not followed here:
/// that is ``FlowExchange``.
public struct AllToAllSchedule: Sendable {
  /// The algorithms of Open MPI's `coll/tuned`.
  public enum Algorithm: String, Sendable, CaseIterable {
    /// All messages are posted at once; they leave a rank one after the other, in the order of
    /// their destinations.
    case linear
    /// In step i rank r sends to r + i and receives from r - i, and goes on when both are done.
    case pairwise

    /// What Open MPI 4.1 and 5.0 choose; they look at nothing but the size of the communicator.
    ///
    /// Source: `ompi_coll_tuned_alltoallv_intra_dec_fixed`, coll_tuned_decision_fixed.c.
    public static func openMPI(ranks: Int) -> Algorithm {
      switch ranks {
      case ..<4, 64..<128, 256..<1024: .pairwise
      default: .linear
      }
    }
  }

  public let algorithm: Algorithm
  public let topology: Topology
  /// Whether messages without bytes are skipped. Open MPI 4.1 sends them; a pairwise step always
  /// does, for its partners wait for each other.
  public var skipsEmpty: Bool
  /// From this size on a message waits for its receiver (rendezvous): its sender cannot go on
  /// before the receiver has come to the same step. Only pairwise feels it.
  public var rendezvous: Bytes
  let inside: LinkParameters
  let between: LinkParameters

  /// - Precondition: at least one rank per port.
  public init(
    _ algorithm: Algorithm, _ topology: Topology, _ network: NetworkParameters,
    skipsEmpty: Bool = true, rendezvous: Bytes = .infinity
  ) {
    precondition(network.ranksPerPort >= 1, "\(network.ranksPerPort) ranks per port")
    self.algorithm = algorithm
    self.topology = topology
    self.skipsEmpty = skipsEmpty
    self.rendezvous = rendezvous
    inside = network.inside
    let mostRanks = topology.nodeOfRank.reduce(into: [:]) { $0[$1, default: 0] += 1 }.values.max()
    let sharers = Double(min(network.ranksPerPort, mostRanks ?? 1))
    between = LinkParameters(
      segments: network.between.segments.map {
        .init(from: $0.from, latency: $0.latency, bandwidth: $0.bandwidth / sharers)
      })
  }

  /// Follows an exchange.
  ///
  /// - Parameters:
  ///   - traffic: [R, R] copies; what a rank keeps is free.
  ///   - entries: [R] when each rank enters; all at 0 without.
  /// - Precondition: traffic, entries and topology have the same ranks; bytes are not negative.
  /// - Complexity: R^2 messages.
  public func times(
    of traffic: TrafficMatrix, bytesPerCopy: Bytes, entries: [Seconds]? = nil
  ) -> ScheduleTimes {
    let ranks = topology.rankCount
    let entries = entries ?? Array(repeating: .zero, count: ranks)
    precondition(
      traffic.rankCount == ranks && entries.count == ranks,
      "\(traffic.rankCount) ranks of traffic and \(entries.count) entries for \(ranks) ranks")
    precondition(bytesPerCopy.value >= 0, "\(bytesPerCopy.value) B per copy")
    let messages = Messages(schedule: self, traffic: traffic, bytesPerCopy: bytesPerCopy.value)
    var times =
      switch algorithm {
      case .linear: linear(messages, entries: entries.map(\.value))
      case .pairwise: pairwise(messages, entries: entries.map(\.value))
      }
    times.bound = Seconds(messages.portBound)
    return times
  }

  /// The messages of an exchange and what each costs.
  struct Messages {
    let schedule: AllToAllSchedule
    let traffic: TrafficMatrix
    let bytesPerCopy: Double

    var rankCount: Int { traffic.rankCount }

    @inline(__always)
    func bytes(from source: Int, to destination: Int) -> Double {
      bytesPerCopy * Double(max(0, traffic[source, destination]))
    }

    /// Latency, and the time that the message keeps a port busy; s.
    @inline(__always)
    func cost(from source: Int, to destination: Int) -> (latency: Double, transfer: Double) {
      let bytes = bytes(from: source, to: destination)
      let nodes = schedule.topology.nodeOfRank
      let link = nodes[source] == nodes[destination] ? schedule.inside : schedule.between
      let segment = link.segment(ofMessage: Bytes(bytes))
      return (segment.latency.value, (Bytes(bytes) / segment.bandwidth).value)
    }

    /// What the busiest rank needs for the bytes that it sends or for those that it receives; s.
    var portBound: Double {
      var sent = [Double](repeating: 0, count: rankCount)
      var received = sent
      for source in 0..<rankCount {
        for destination in 0..<rankCount where source != destination {
          let transfer = cost(from: source, to: destination).transfer
          sent[source] += transfer
          received[destination] += transfer
        }
      }
      return max(sent.max() ?? 0, received.max() ?? 0)
    }
  }
}
