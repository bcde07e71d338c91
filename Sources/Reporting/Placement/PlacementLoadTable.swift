// SPDX-License-Identifier: Apache-2.0
// epsim: placements side by side where only loads are known.

/// Balance of several placements, load split evenly over replicas.
public struct PlacementLoadTable {
  /// One placement.
  public struct Row: Encodable {
    public let name: String
    public let slots: Int
    public let fittedMaxOverMean: Double
    /// Null without a judged load.
    @ExplicitNull public var judgedMaxOverMean: Double?
    /// The best max/mean that slots and load allow on the fitted load.
    public let bound: Double
    public let maxReplicas: Int
    public let uselessReplicas: Int
    public let solveMs: Double
  }

  public let rows: [Row]

  /// - Parameter records: each with load max/mean on the judged load.
  public init(_ records: [(record: PlacementRecord, judged: Double?)]) {
    rows = records.map { record, judged in
      Row(
        name: record.name, slots: record.slots, fittedMaxOverMean: record.maxOverMean,
        judgedMaxOverMean: judged, bound: record.maxOverMeanBound, maxReplicas: record.maxReplicas,
        uselessReplicas: record.uselessReplicas, solveMs: record.solveMs)
    }
  }

  public var text: String {
    var table = TextTable([
      ("placement", .left), ("slots", .right), ("load\nfitted", .right), ("load\njudged", .right),
      ("bound\nfitted", .right), ("gap", .right), ("most\nreplicas", .right),
      ("useless\nreplicas", .right), ("solved\nms", .right),
    ])
    for row in rows {
      table.add([
        TextTable.wrapped(row.name), "\(row.slots)", Quantity.fixed(row.fittedMaxOverMean, 3),
        row.judgedMaxOverMean.map { Quantity.fixed($0, 3) } ?? "-", Quantity.fixed(row.bound, 3),
        Quantity.percent(max(0, row.fittedMaxOverMean / row.bound - 1)), "\(row.maxReplicas)",
        "\(row.uselessReplicas)", Quantity.fixed(row.solveMs, 2),
      ])
    }
    return table.text
      + "\n\nload: max/mean over ranks, replicas sharing evenly; gap: over the lower bound"
  }
}
