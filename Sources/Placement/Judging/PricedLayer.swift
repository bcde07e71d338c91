// SPDX-License-Identifier: Apache-2.0
// epsim: the time of a layer from what was counted of it.

public import CostModel

/// The modelled time of layers from their traffic and load, for judging a placement.
///
///     plan, pack | dispatch | group, experts, ungroup | combine | reduce
///
/// Exchanges by ``PortModel`` on the copies that dedup leaves, experts by ``ExpertTime``, ranks
/// meet as in ``LayerRecursion``; all ranks begin at once. What no placement changes is left out:
/// attention, norm, gate, shared experts.
public struct PricedLayer: Sendable {
  private let prices: LayerPrices
  private let topology: Topology
  private let experts: [ExpertTime]
  private var ports: PortModel
  private var recursion: LayerRecursion

  /// - Precondition: prices of every rank of the topology.
  public init(_ prices: LayerPrices, topology: Topology) {
    precondition(
      prices.ranks.count == topology.rankCount,
      "prices of \(prices.ranks.count) ranks for \(topology.rankCount)")
    self.prices = prices
    self.topology = topology
    experts = prices.ranks.map { ExpertTime($0, prices.widths) }
    ports = PortModel(prices.network, topology: topology)
    recursion = LayerRecursion(rankCount: topology.rankCount)
  }

  /// The phases of the layer that was evaluated last, rank by rank.
  public var phases: RankTimes { recursion.layer }

  /// The time of one row of counters.
  /// - Precondition: the counters are of these ranks.
  public mutating func time(_ counters: TrafficCounters, layerRow row: Int) -> Seconds {
    times(counters, layerRow: row, scales: [1])[0]
  }

  /// The times of so many times the tokens that were counted, in the same proportions.
  ///
  /// Ports see bytes only: longer rows stand for more of them.
  /// - Precondition: the counters are of these ranks.
  public mutating func times(
    _ counters: TrafficCounters, layerRow row: Int, scales: [Double]
  ) -> [Seconds] {
    let traffic = counters.layer(row)
    let leaves = prices.network.leaves?.nodesPerLeaf
    let raw = PortLoads(
      traffic.raw, topology: topology, nodesPerLeaf: leaves, bytesPerCopy: prices.dispatchBytes)
    var copies =
      switch prices.dedup {
      case .none: raw
      case .rank:
        PortLoads(
          traffic.rankDedup, topology: topology, nodesPerLeaf: leaves,
          bytesPerCopy: prices.dispatchBytes)
      case .node:
        PortLoads(
          nodeDedup: traffic.nodeDedup, passedOn: traffic.rankDedup, topology: topology,
          nodesPerLeaf: leaves, bytesPerCopy: prices.dispatchBytes)
      }
    // Sums return as their copies came, exact results straight to their tokens.
    let results = prices.combine == .preReduced ? copies : raw
    let hops = prices.dedup == .node ? prices.hops : .pipelined
    let assignments = traffic.raw.rowSums
    let rows = counters.rowsPerSlot(layerRow: row)
    var work = LayerWork(rankCount: topology.rankCount)
    work.overlapFactor = prices.network.overlapFactor
    var times: [Seconds] = []
    for scale in scales {
      copies.bytesPerCopy = prices.dispatchBytes * scale
      work.dispatch = ports.time(of: copies, hops: hops)
      work.combine = ports.time(
        of: results.reversed(bytesPerCopy: prices.combineBytes * scale),
        hops: prices.combine == .exact ? .pipelined : hops)
      for rank in 0..<topology.rankCount {
        let (own, sent) = (prices.ranks[rank], Double(assignments[rank]) * scale)
        let slots = rows[counters.placement.slots(ofRank: rank)].lazy.map { Double($0) * scale }
        let received = slots.reduce(0, +)
        work.local[.plan, rank] = own.planTime(assignments: sent)
        work.local[.pack, rank] = own.copyTime(prices.dispatchBytes * sent)
        work.local[.group, rank] = own.copyTime(prices.dispatchBytes * received)
        work.local[.expert, rank] = experts[rank].time(rowsPerExpert: slots)
        work.local[.ungroup, rank] = own.copyTime(prices.combineBytes * received)
        work.local[.reduce, rank] = own.copyTime(prices.combineBytes * sent)
      }
      recursion.begin()
      times.append(recursion.advance(work))
    }
    return times
  }
}
