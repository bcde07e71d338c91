// SPDX-License-Identifier: Apache-2.0
// epsim: a time that no placement of a layer can beat.

public import CostModel
public import Workloads

/// A lower bound on ``PricedLayer``, summed over windows, over all placements with given slots and
/// all replica choices.
///
/// One placement serves all windows, and may know them. Two arguments, of which the larger counts:
/// - The mean rank. A rank's own chain (plan, pack, dispatch, experts, combine, reduce) is no
///   longer than the layer, so neither is any weighted mean of the chains. Weighted by speed the
///   experts of all ranks add up to one rank's that runs everything: their time is convex and
///   homogeneous but for its fixed part, which is left out. Exchanges need at least what
///   ``OffNodeBound`` says of all windows together.
/// - The busiest rank. Ranks meet at both exchanges, so the layer is no shorter than the slowest
///   pack and the slowest experts together; some rank has the load of ``LoadBound``.
///
/// Ranks that differ count as the best of each kind in every respect. Copies inside nodes, message
/// sizes and latencies beyond the first message are not counted: a gap need not be real.
public struct LayerTimeBound: Sendable, Equatable {
  /// No placement is faster.
  public let time: Seconds

  /// - Parameters:
  ///   - windows: the tokens of the layer, step by step; at least one.
  ///   - slotsPerRank: [R]
  /// - Precondition: slots, prices and windows are of the ranks of the topology.
  public init(
    _ windows: [RoutingBundles], slotsPerRank: [Int], topology: Topology, prices: LayerPrices
  ) {
    let windows = windows.filter { $0.count > 0 }
    let hosts = (0..<topology.rankCount).filter { slotsPerRank[$0] > 0 }
    guard !windows.isEmpty, !hosts.isEmpty else {
      time = .zero
      return
    }
    let best = BestRank(prices, hosts: hosts)
    let speeds = hosts.reduce(0) { $0 + prices.ranks[$1].speed }
    let weights = slotsPerRank.indices.map {
      slotsPerRank[$0] > 0 ? prices.ranks[$0].speed / speeds : 0
    }
    let parts = windows.map {
      WindowParts($0, slotsPerRank: slotsPerRank, prices: prices, best: best, weights: weights)
    }
    let exchange = ExchangeBound(windows, slotsPerRank: slotsPerRank, topology: topology, prices)
      .mean(weights: weights)
    let mean = parts.reduce(exchange.value) { sum, part in
      sum + part.local + (part.experts + part.copies) / speeds
    }
    let slowest = parts.reduce(0) { sum, part in
      sum + part.slowestEnds + best.fixed
        + max((part.experts + part.copies) / speeds, part.crowded / best.speed)
    }
    time = Seconds(max(mean, slowest))
  }
}

/// What one window asks for, in seconds; of ranks of speed 1 where nothing else is said.
private struct WindowParts {
  /// All experts on one rank, without the fixed part.
  let experts: Double
  /// Copies beside the experts, on one rank.
  let copies: Double
  /// Experts and copies of the rank with the largest load.
  let crowded: Double
  /// The mean of what ranks do for their own tokens, at their own speeds.
  let local: Double
  /// What the slowest rank does before dispatch, and the slowest after combine.
  let slowestEnds: Double

  init(
    _ bundles: RoutingBundles, slotsPerRank: [Int], prices: LayerPrices, best: BestRank,
    weights: [Double]
  ) {
    let load = bundles.load
    let perRow = ((prices.dispatchBytes + prices.combineBytes) / best.copies).value
    copies = perRow * Double(load.reduce(0, +))
    experts = best.experts(load.filter { $0 > 0 }.map { (rows: Double($0), whole: Double($0)) })
    let offsets = slotsPerRank.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    let heavy = LoadBound(loads: load, slotOffsets: offsets, speeds: prices.ranks.map(\.speed))
    let largest = max(heavy.heaviestReplica, heavy.cardinality) * best.speed
    crowded =
      best.experts([(rows: largest, whole: Double(load.max() ?? 0))]) + perRow * largest

    // [R] what a rank does for its own tokens.
    let counts = bundles.sourceCounts
    let own = slotsPerRank.indices.map { rank in
      Double(counts[rank * load.count..<(rank + 1) * load.count].reduce(0, +))
    }
    let before = own.indices.map { rank in
      prices.ranks[rank].planTime(assignments: own[rank])
        + prices.ranks[rank].copyTime(prices.dispatchBytes * own[rank])
    }
    let after = own.indices.map { prices.ranks[$0].copyTime(prices.combineBytes * own[$0]) }
    local = weights.indices.reduce(0) { $0 + weights[$1] * (before[$1] + after[$1]).value }
    slowestEnds = (before.max() ?? .zero).value + (after.max() ?? .zero).value
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
