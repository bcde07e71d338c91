// SPDX-License-Identifier: Apache-2.0
// epsim: the table of load and traffic counters.

public import Placement

/// Load and traffic per placement, counted, not timed.
public struct TrafficTable {
  /// One placement.
  public struct Row {
    let name: String
    let traffic: [TrafficCounters]

    /// - Parameter traffic: counters of each step; not empty.
    public init(name: String, traffic: [TrafficCounters]) {
      self.name = name
      self.traffic = traffic
    }
  }

  private let rows: [Row]

  public init(_ rows: [Row]) { self.rows = rows }

  /// The table with one line per row; copies are per token and layer.
  public var text: String {
    var table = TextTable([
      ("ranks", .right), ("placement", .left), ("load\nmax/mean", .right),
      ("node load\nmax/mean", .right), ("experts\nactive max", .right),
      ("off-rank\ncopies", .right), ("off-node\ncopies", .right), ("node-dedup\ncopies", .right),
      ("fan-out\nranks", .right), ("extra\nslots", .right), ("useless\nreplicas", .right),
    ])
    for row in rows {
      var ranks = LoadCounters()
      var nodes = LoadCounters()
      for step in row.traffic {
        ranks.addRanks(of: step)
        nodes.addNodes(of: step)
      }
      let placement = row.traffic[0].placement
      let total = row.traffic.dropFirst().reduce(into: row.traffic[0], +=).total
      // `tokens` of the total counts every token once per layer.
      let perToken = { (count: Int) in
        Quantity.fixed(Double(count) / Double(max(1, total.tokens)), 2)
      }
      let useless = placement.layers.indices.reduce(0) {
        $0 + placement.uselessReplicaCount(layerRow: $1)
      }
      table.add([
        "\(placement.rankCount)", row.name, Quantity.fixed(ranks.summary.maxOverMean, 3),
        Quantity.fixed(nodes.summary.maxOverMean, 3), "\(ranks.summary.activatedMax)",
        perToken(total.offRankRaw), perToken(total.offNodeRaw), perToken(total.offNodeNodeDedup),
        Quantity.fixed(total.fanOutRanks, 2), "\(placement.extraSlotCount)", "\(useless)",
      ])
    }
    return table.text + "\n\ncopies and fan-out: per token and layer, the mean over tokens"
  }
}
