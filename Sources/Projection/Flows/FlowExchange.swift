// SPDX-License-Identifier: Apache-2.0
// epsim: when an exchange ends on a fabric, and what holds it up.

public import CostModel
internal import Foundation
internal import MoE

/// The time of one direction of an exchange where its rows share links, with the limit in words.
///
/// Max-min sharing is what many streams on one fabric come to; it is no schedule, so a skewed
/// exchange can take longer than its busiest link needs. All rows start together; where rows go
/// in two hops that follow each other without a break, the traffic is the sum of both hops'.
public struct FlowExchange: Sendable {
  /// What is followed as one flow.
  public enum Grain: String, Sendable {
    /// Each pair of ranks.
    case pairs
    /// Each pair of nodes.
    case nodes
    /// Each node with each pod, once as senders and once as receivers: for very many nodes.
    case pods
    /// Each kind of pair, where all ranks send each other equal bytes over a regular fabric.
    case kinds
  }

  public let grain: Grain
  /// From the common start until the last row is there.
  public let total: Seconds
  /// The time that the busiest port, node, or cut needs for its bytes: no schedule is faster.
  public let bound: Seconds
  /// What the last rows wait for; nil where nothing moves or nothing limits it.
  public let limit: String?
  /// Share of the time that the limit spends on its bytes, 0 to 1.
  public let limitBusy: Double
  /// Events that changed rates.
  public let fillings: Int

  /// Follows the rows of an exchange.
  ///
  /// - Parameters:
  ///   - grain: Without one, kinds where they are exact, else pairs of ranks up to
  ///     ``FlowFabric/largestPairwise``, nodes up to as many, pods above.
  ///   - resolution: See ``FlowTimes/init(of:resolution:)``.
  /// - Precondition: traffic and topology have the same ranks.
  /// - Throws: ``InputError`` for bytes that cannot be, or too many ranks or nodes, or kinds
  ///   of traffic that is not uniform.
  public init(
    of traffic: TrafficMatrix, bytesPerCopy: Bytes, on fabric: FlowFabric, grain: Grain? = nil,
    resolution: Double = 1e-3
  ) throws {
    try FlowFabric.check(bytesPerCopy)
    let copies = fabric.isRegular && grain ?? .kinds == .kinds ? traffic.uniformCopies : nil
    self.grain = grain ?? (copies != nil ? .kinds : fabric.finestGrain)
    let networks: [FlowNetwork]
    var ports = (time: Seconds.zero, name: "")
    switch self.grain {
    case .pairs:
      networks = [try fabric.pairFlows(of: traffic, bytesPerCopy: bytesPerCopy)]
    case .nodes:
      try FlowFabric.check(pairsOf: fabric.topology.nodeCount, "nodes")
      let nodes = NodeTraffic(of: traffic, bytesPerCopy: bytesPerCopy, on: fabric)
      networks = [try fabric.nodeFlows(of: nodes)]
      ports = fabric.busiestPort(
        of: traffic, bytesPerCopy: bytesPerCopy, insideMessage: nodes.insideMessage,
        betweenMessage: nodes.betweenMessage)
    case .pods:
      guard fabric.topology.nodeCount * fabric.podCount <= FlowFabric.mostPairs else {
        throw InputError(
          "the flows between \(fabric.topology.nodeCount) nodes and \(fabric.podCount) pods are"
            + " too many, accepted are at most \(FlowFabric.mostPairs)")
      }
      let pods = PodTraffic(of: traffic, bytesPerCopy: bytesPerCopy, on: fabric)
      let (egress, ingress) = fabric.podFlows(of: pods)
      networks = [egress, ingress]
      ports = fabric.busiestPort(
        of: traffic, bytesPerCopy: bytesPerCopy, insideMessage: pods.insideMessage,
        betweenMessage: pods.betweenMessage)
    case .kinds:
      guard let copies else {
        throw InputError(
          "kinds of pairs cannot stand for traffic that is not uniform, accepted are pairs, nodes"
            + " and pods")
      }
      networks = [fabric.uniformFlows(bytes: bytesPerCopy * Double(max(0, copies)))]
    }
    let times = networks.map { FlowTimes(of: $0, resolution: resolution) }
    fillings = times.reduce(0) { $0 + $1.fillings }
    bound = max(ports.time, times.map(\.bound).max() ?? .zero)
    let last = times.indices.max { times[$0].total < times[$1].total } ?? 0
    if ports.time > times[last].total {
      (total, limit, limitBusy) = (ports.time, ports.name, 1)
    } else {
      total = times[last].total
      limit = times[last].limit.map { networks[last].links[$0].name }
      limitBusy = times[last].limitBusy
    }
  }

  /// What holds it up, in words.
  public var limitInWords: String {
    guard let limit else { return total > .zero ? "latency" : "nothing moves" }
    return "\(limit), busy \(String(format: "%.0f", 100 * limitBusy)) % of the exchange"
  }
}

extension FlowFabric {
  /// What can be followed one by one.
  fileprivate var finestGrain: FlowExchange.Grain {
    if topology.rankCount <= Self.largestPairwise { return .pairs }
    return topology.nodeCount <= Self.largestPairwise ? .nodes : .pods
  }

  /// The port of a rank or NIC that needs the longest for its bytes.
  func busiestPort(
    of traffic: TrafficMatrix, bytesPerCopy: Bytes, insideMessage: Bytes, betweenMessage: Bytes
  ) -> (time: Seconds, name: String) {
    let ranks = topology.rankCount
    var insideCopies = [Double](repeating: 0, count: 2 * ranks)
    var portCopies = [Double](repeating: 0, count: 2 * portStarts.last!)
    let ports = (0..<ranks).map(port)
    let nodes = topology.nodeOfRank
    for source in 0..<ranks {
      for destination in 0..<ranks where source != destination {
        let copies = Double(max(0, traffic[source, destination]))
        if nodes[source] == nodes[destination] {
          insideCopies[2 * source] += copies
          insideCopies[2 * destination + 1] += copies
        } else {
          portCopies[2 * egressPort(from: source, to: destination)] += copies
          portCopies[2 * ports[destination] + 1] += copies
        }
      }
    }
    let inside = network.inside.segment(ofMessage: insideMessage).bandwidth
    let between = network.between.segment(ofMessage: betweenMessage).bandwidth
    var busiest = (time: Seconds.zero, name: "")
    for (index, copies) in insideCopies.enumerated() where copies > 0 {
      let time = bytesPerCopy * copies / inside
      guard time > busiest.time else { continue }
      busiest = (time, "\(way(index)) of rank \(index / 2) inside its node")
    }
    for (index, copies) in portCopies.enumerated() where copies > 0 {
      let time = bytesPerCopy * copies / between
      guard time > busiest.time else { continue }
      let node = portStarts.lastIndex { $0 <= index / 2 }!
      let name = portName(node: node, port: index / 2 - portStarts[node])
      busiest = (time, "NIC \(way(index)) of \(name)")
    }
    return busiest
  }

  /// The NIC that a row leaves its node by.
  private func egressPort(from source: Int, to destination: Int) -> Int {
    let node = topology.nodeOfRank[source]
    let rail = rail(ofRank: destination)
    return wiring == .rails(.insideFirst) && rail < portCount(ofNode: node)
      ? portStarts[node] + rail : port(ofRank: source)
  }

  private func way(_ index: Int) -> String { index % 2 == 0 ? "egress" : "ingress" }
}
