// SPDX-License-Identifier: Apache-2.0
// epsim: what exchanges need under every placement.

internal import CostModel
internal import Workloads

/// Lower bounds on dispatch and combine of a layer, by what must leave each node.
struct ExchangeBound {
  private let bound: OffNodeBound
  private let topology: Topology
  private let prices: LayerPrices

  init(
    _ bundles: RoutingBundles, slotsPerRank: [Int], topology: Topology, _ prices: LayerPrices
  ) {
    bound = OffNodeBound(bundles, slotsPerRank: slotsPerRank, topology: topology)
    self.topology = topology
    self.prices = prices
  }

  /// The mean over ranks of dispatch and combine together. Shape: `weights` [R], their sum is 1.
  func mean(weights: [Double]) -> Seconds {
    guard topology.rankCount > 1 else { return .zero }
    let network = prices.network
    let nodes = Double(topology.nodeCount)
    let base =
      network.fixed.value + (nodes > 1 ? network.perNodeShare.value * (1 - 1 / nodes) : 0)
    let dispatched = prices.dedup == .none ? bound.raw : bound.nodeDedup
    let returned = prices.combine == .exact ? bound.raw : dispatched
    var sum = 2 * base
    for node in 0..<topology.nodeCount {
      let shares = portShares(of: node, weights: weights)
      sum += mean(prices.dispatchBytes * dispatched[node], shares: shares)
      sum += mean(prices.combineBytes * returned[node], shares: shares)
    }
    return Seconds(sum)
  }

  /// The weighted mean of what ranks need for bytes that leave a node, or enter it.
  ///
  /// A rank needs as long as its port, or as all ports of its node. However the bytes lie, the mean
  /// is no less than if all of them passed the port with the least weight.
  private func mean(_ bytes: Bytes, shares: [Double]) -> Double {
    guard bytes.value > 0 else { return 0 }
    let segments = prices.network.between.segments
    let fastest = segments.map(\.bandwidth).max()!
    let latency = segments.map(\.latency.value).min()!
    let all = shares.reduce(0, +)
    return max(
      all * latency + (shares.min() ?? 0) * (bytes / fastest).value,
      all * (bytes / prices.network.nodeTotal).value)
  }

  /// The weight, over the ports of a node, of those ranks that surely send through them.
  private func portShares(of node: Int, weights: [Double]) -> [Double] {
    var (shares, place) = ([Double](), 0)
    for rank in 0..<topology.rankCount where topology.nodeOfRank[rank] == node {
      if place.isMultiple(of: prices.network.ranksPerPort) { shares.append(0) }
      shares[shares.count - 1] += bound.mustSend[rank] ? weights[rank] : 0
      place += 1
    }
    return shares
  }
}
