// SPDX-License-Identifier: Apache-2.0
// epsim: the pictures of one placement.

internal import CostModel
public import Placement

/// Load, traffic and experts of a placement on the judged tokens, drawn for a terminal.
///
/// The bars and the map are of the layer whose largest rank load exceeds the mean the most.
public struct PlacementPictures {
  private let after: TrafficCounters
  private let before: TrafficCounters?

  /// - Parameter before: the same tokens under the placement that this one would replace; nil for
  ///   none.
  /// - Precondition: both have the same layers and ranks.
  public init(_ after: TrafficCounters, before: TrafficCounters? = nil) {
    self.after = after
    self.before = before
  }

  public var text: String {
    let row = worstRow
    let layer = after.placement.layers[row]
    var loads = [(after.placement.name + ", layer \(layer)", doubles(after, row))]
    if let before { loads.insert((before.placement.name, doubles(before, row)), at: 0) }
    var experts = Array(repeating: 0, count: after.placement.expertCount)
    for (slot, rows) in after.rowsPerSlot(layerRow: row).enumerated() {
      experts[Int(after.placement.physicalToLogical[row][slot])] += rows
    }
    let total = after.total
    let ranks = after.topology.rankCount
    var parts = [
      LoadBars(loads.map { (heading: $0.0, loads: $0.1) }).text,
      ExpertMap(after.placement, layerRow: row, loads: experts).text,
      HeatMap(
        title: "assignments between ranks, all layers", rows: ranks, columns: ranks,
        values: total.raw.counts.map(Double.init)
      ).text,
    ]
    if after.topology.nodeCount > 1 { parts.append(nodes(total)) }
    return parts.joined(separator: "\n\n")
  }

  private var worstRow: Int {
    let ratios = after.placement.layers.indices.map { row in
      let loads = after.layer(row).receivedPerRank
      let sum = loads.reduce(0, +)
      return sum > 0 ? Double((loads.max() ?? 0) * loads.count) / Double(sum) : 0
    }
    return ratios.indices.max { (ratios[$0], $1) < (ratios[$1], $0) } ?? 0
  }

  private func doubles(_ counters: TrafficCounters, _ row: Int) -> [Double] {
    counters.layer(row).receivedPerRank.map(Double.init)
  }

  private func nodes(_ total: LayerTraffic) -> String {
    let (nodes, ranks) = (total.topology.nodeCount, total.topology.rankCount)
    var sums = Array(repeating: 0.0, count: nodes * nodes)
    for rank in 0..<ranks {
      for node in 0..<nodes {
        sums[total.topology.nodeOfRank[rank] * nodes + node] += Double(
          total.nodeDedup[rank * nodes + node])
      }
    }
    return HeatMap(
      title: "copies between nodes, one per token and node", rows: nodes, columns: nodes,
      values: sums
    ).text
  }
}
