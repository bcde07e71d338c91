// SPDX-License-Identifier: Apache-2.0
// epsim: a time that no placement of a layer can beat.

public import CostModel
public import Workloads

/// A lower bound on ``PricedLayer`` over all placements with given slots and all replica choices.
///
/// Two arguments, of which the larger counts:
/// - The mean rank. A rank's own chain (plan, pack, dispatch, experts, combine, reduce) is no
///   longer than the layer, so neither is any weighted mean of the chains. Weighted by speed the
///   experts of all ranks add up to one rank's that runs everything: their time is convex and
///   homogeneous but for its fixed part, which is left out. Exchanges need at least what
///   ``OffNodeBound`` says.
/// - The busiest rank. Ranks meet at both exchanges, so the layer is no shorter than the slowest
///   pack and the slowest experts together; some rank has the load of ``LoadBound``.
///
/// Ranks that differ count as the best of each kind in every respect. Copies inside nodes, message
/// sizes and latencies beyond the first message are not counted: a gap need not be real.
public struct LayerTimeBound: Sendable, Equatable {
  /// No placement is faster.
  public let time: Seconds
  /// What the mean rank computes, of that argument.
  public let experts: Seconds
  /// What the mean rank exchanges, of that argument.
  public let exchange: Seconds

  /// - Parameters:
  ///   - bundles: the tokens of the layer.
  ///   - slotsPerRank: [R]
  /// - Precondition: slots, prices and bundles are of the ranks of the topology.
  public init(
    _ bundles: RoutingBundles, slotsPerRank: [Int], topology: Topology, prices: LayerPrices
  ) {
    let load = bundles.load
    let rows = Double(load.reduce(0, +))
    let hosts = (0..<topology.rankCount).filter { slotsPerRank[$0] > 0 }
    guard rows > 0, !hosts.isEmpty else {
      (time, experts, exchange) = (.zero, .zero, .zero)
      return
    }
    let best = BestRank(prices, hosts: hosts)
    let speeds = hosts.reduce(0) { $0 + prices.ranks[$1].speed }
    let copies = (prices.dispatchBytes + prices.combineBytes) / best.copies
    let all = best.experts(load.filter { $0 > 0 }.map { (rows: Double($0), whole: Double($0)) })
    experts = Seconds(all / speeds)

    // [R] what a rank does for its own tokens.
    let counts = bundles.sourceCounts
    let own = (0..<topology.rankCount).map { rank in
      Double(counts[rank * load.count..<(rank + 1) * load.count].reduce(0, +))
    }
    let before = own.indices.map { rank in
      prices.ranks[rank].planTime(assignments: own[rank])
        + prices.ranks[rank].copyTime(prices.dispatchBytes * own[rank])
    }
    let after = own.indices.map { prices.ranks[$0].copyTime(prices.combineBytes * own[$0]) }
    let local = hosts.reduce(0) {
      $0 + prices.ranks[$1].speed / speeds * (before[$1] + after[$1]).value
    }
    exchange = ExchangeBound(bundles, slotsPerRank: slotsPerRank, topology: topology, prices)
      .mean(weights: own.indices.map { slotsPerRank[$0] > 0 ? prices.ranks[$0].speed / speeds : 0 })
    let mean =
      local + exchange.value + experts.value + (copies * rows).value / speeds

    let offsets = slotsPerRank.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    let heavy = LoadBound(loads: load, slotOffsets: offsets, speeds: prices.ranks.map(\.speed))
    let largest = max(heavy.heaviestReplica, heavy.cardinality) * best.speed
    let crowded = best.experts([(rows: largest, whole: Double(load.max() ?? 0))])
    let busiest =
      best.fixed
      + max(
        (all + (copies * rows).value) / speeds,
        (crowded + (copies * largest).value) / best.speed)
    let slowest = (before.max() ?? .zero).value + busiest + (after.max() ?? .zero).value
    time = Seconds(max(mean, slowest))
  }
}

/// The best of every property of some ranks.
private struct BestRank {
  let fixed: Double
  let speed: Double
  let copies: BytesPerSecond
  private let perExpert: Double
  private let memory: BytesPerSecond
  private let kinds: [ExpertTime]
  private let widths: ExpertWidths

  init(_ prices: LayerPrices, hosts: [Int]) {
    let ranks = hosts.map { prices.ranks[$0] }
    fixed = ranks.map(\.fixed.value).min()!
    speed = ranks.map(\.speed).max()!
    copies = ranks.map(\.copies).max()!
    perExpert = ranks.map(\.perExpert.value).min()!
    memory = ranks.map(\.memory).max()!
    kinds = Set(ranks.map(\.efficiencies)).map { efficiencies in
      var rank = ranks[0]
      rank.efficiencies = efficiencies
      return ExpertTime(rank, prices.widths)
    }
    widths = prices.widths
  }

  /// Seconds that experts with these rows take one rank of speed 1, without its fixed part;
  /// products run at the best rate of up to `whole` rows.
  func experts(_ loads: [(rows: Double, whole: Double)]) -> Double {
    var (products, rows) = (0.0, 0.0)
    for load in loads {
      let rate = kinds.map { $0.bestRate(upTo: load.whole) }.max()!
      products += (widths.workPerRow * load.rows / rate).value
      rows += load.rows
    }
    let active = Double(loads.count)
    let moved = widths.bytesPerExpert * active + widths.bytesPerRow * rows
    return perExpert * active + ExpertTime.smoothMaximum(products, (moved / memory).value)
  }
}
