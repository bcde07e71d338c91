// SPDX-License-Identifier: Apache-2.0
// epsim: what exchanges need under every placement.

internal import CostModel
internal import Workloads

/// Lower bounds on dispatch and combine of a layer, by what must leave the nodes.
struct ExchangeBound {
  private let windows: [RoutingBundles]
  private let slotsPerRank: [Int]
  private let topology: Topology
  private let prices: LayerPrices

  init(
    _ windows: [RoutingBundles], slotsPerRank: [Int], topology: Topology, _ prices: LayerPrices
  ) {
    (self.windows, self.slotsPerRank) = (windows, slotsPerRank)
    (self.topology, self.prices) = (topology, prices)
  }

  /// The mean over ranks of dispatch and combine together, summed over the windows.
  ///
  /// Shape: `weights` [R], their sum is 1.
  func mean(weights: [Double]) -> Seconds {
    guard topology.rankCount > 1 else { return .zero }
    let (network, exchanges) = (prices.network, 2 * Double(windows.count))
    let nodes = Double(topology.nodeCount)
    let base =
      network.fixed.value + (nodes > 1 ? network.perNodeShare.value * (1 - 1 / nodes) : 0)
    guard nodes > 1 else { return Seconds(exchanges * base) }
    let sends = OffNodeBound.mustSend(windows, slotsPerRank: slotsPerRank, topology: topology)
    let needs = (0..<topology.nodeCount).map { need(of: $0, weights: weights, sends: sends) }
    let bound = OffNodeBound(
      windows, slotsPerRank: slotsPerRank, topology: topology, weights: needs.map(\.perByte))
    let dispatched = prices.dedup == .none ? bound.raw : bound.nodeDedup
    let returned = prices.combine == .exact ? bound.raw : dispatched
    return Seconds(
      exchanges * (base + needs.reduce(0) { $0 + $1.startUp })
        + prices.dispatchBytes.value * dispatched + prices.combineBytes.value * returned)
  }

  /// The weighted mean of what ranks of a node need for bytes that leave it.
  ///
  /// A rank needs as long as its port, or as all ports of its node. However the bytes lie, the mean
  /// is no less than if all of them passed the port with the least weight.
  private func need(
    of node: Int, weights: [Double], sends: [Bool]
  ) -> (startUp: Double, perByte: Double) {
    let shares = portShares(of: node, weights: weights, sends: sends)
    let segments = prices.network.between.segments
    let all = shares.reduce(0, +)
    let byPort = (shares.min() ?? 0) / segments.map(\.bandwidth.value).max()!
    let byNode = all * (Bytes(1) / prices.network.nodeTotal).value
    guard byPort >= byNode else { return (0, byNode) }
    return (all * segments.map(\.latency.value).min()!, byPort)
  }

  /// The weight, over the ports of a node, of those ranks that surely send through them.
  private func portShares(of node: Int, weights: [Double], sends: [Bool]) -> [Double] {
    var (shares, place) = ([Double](), 0)
    for rank in 0..<topology.rankCount where topology.nodeOfRank[rank] == node {
      if place.isMultiple(of: prices.network.ranksPerPort) { shares.append(0) }
      shares[shares.count - 1] += sends[rank] ? weights[rank] : 0
      place += 1
    }
    return shares
  }
}
