// SPDX-License-Identifier: Apache-2.0
// epsim: the table of load and traffic counters.

public import CostModel
public import Placement

/// Load and traffic per placement, counted, not timed.
public struct TrafficTable {
  /// One placement: counters of any number of steps, summed as they come.
  public struct Row {
    let name: String
    private let capacity: CapacityUse.Offer?
    private var stepCount = 0
    private(set) var total: TrafficCounters
    private(set) var ranks = LoadCounters()
    private(set) var nodes = LoadCounters()

    /// Nothing counted yet.
    /// - Parameter capacity: what the experts offer; nil where nothing is dropped.
    public init(
      name: String, placement: ExpertPlacement, topology: Topology,
      capacity: CapacityUse.Offer? = nil
    ) {
      self.name = name
      self.capacity = capacity
      total = TrafficCounters(placement: placement, topology: topology)
    }

    /// Adds a step.
    public mutating func add(_ step: TrafficCounters) {
      total += step
      ranks.addRanks(of: step)
      nodes.addNodes(of: step)
      stepCount += 1
    }

    /// What became of the capacity; nil where there is none.
    fileprivate var capacityUse: CapacityUse? {
      capacity.map { CapacityUse($0, total.total, steps: stepCount) }
    }
  }

  private let rows: [Row]

  public init(_ rows: [Row]) { self.rows = rows }

  /// A case's name, with the ranks where they differ: what a rank's batch drops depends on them.
  private func capacityName(_ row: Row) -> String {
    let rankCounts = Set(rows.map(\.total.topology.rankCount))
    return rankCounts.count > 1 ? "\(row.total.topology.rankCount) ranks \(row.name)" : row.name
  }

  /// The table with one line per row; copies are per token and layer.
  public var text: String {
    var table = TextTable([
      ("ranks\n(nodes)", .right), ("case", .left), ("load\nmax/mean", .right),
      ("nodes\nmax/mean", .right), ("experts\nactive", .right), ("off-rank\ncopies", .right),
      ("off-node\ncopies", .right), ("node-\ndedup", .right), ("fan-out\nranks", .right),
      ("extra slots\n(useless)", .right),
    ])
    for row in rows {
      let placement = row.total.placement
      let topology = row.total.topology
      let total = row.total.total
      // `tokens` of the total counts every token once per layer.
      let perToken = { (count: Int) in
        Quantity.fixed(Double(count) / Double(max(1, total.tokens)), 2)
      }
      table.add([
        "\(topology.rankCount) (\(topology.nodeCount))",
        TextTable.wrapped(row.name, width: 16),
        Quantity.fixed(row.ranks.summary.maxOverMean, 3),
        Quantity.fixed(row.nodes.summary.maxOverMean, 3), "\(row.ranks.summary.activatedMax)",
        perToken(total.offRankRaw), perToken(total.offNodeRaw), perToken(total.offNodeNodeDedup),
        Quantity.fixed(total.fanOutRanks, 2),
        "\(placement.extraSlotCount) (\(placement.uselessReplicaCount))",
      ])
    }
    let capacity = CapacityTable(
      rows.compactMap { row in row.capacityUse.map { (capacityName(row), $0) } }
    ).text
    return table.text
      + "\n\ncopies and fan-out: mean over tokens and layers; useless: replicas on a rank that has one"
      + (capacity.isEmpty ? "" : "\n\n" + capacity)
  }
}
