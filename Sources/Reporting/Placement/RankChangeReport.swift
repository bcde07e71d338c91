// SPDX-License-Identifier: Apache-2.0
// epsim: what `epsim place --rank-change` prints.

/// Strategies side by side under the same changes of ranks.
public struct RankChangeReport {
  private let record: RankChangeRecord

  public init(_ record: RankChangeRecord) { self.record = record }

  public var text: String {
    let heading =
      "\(record.ranks) rank\(record.ranks == 1 ? "" : "s") on \(record.nodes) "
      + "node\(record.nodes == 1 ? "" : "s"), \(record.layers) "
      + "layer\(record.layers == 1 ? "" : "s"); computed, nothing was run"
    return ([heading, table, legend] + (fewest.map { [$0] } ?? [])).joined(separator: "\n\n")
  }

  private var table: String {
    var table = TextTable([
      ("placement", .left), ("change", .left), ("ranks\nafter", .right),
      ("experts\nmoved", .right), ("least", .right), ("no copy\nleft", .right),
      ("most into\na rank", .right), ("bytes", .right), ("load\nmax/mean", .right),
    ])
    var last = ""
    for row in record.rows {
      table.add([
        row.placement == last ? "" : TextTable.wrapped(row.placement),
        row.lostRank.map { "rank \($0) lost" } ?? Self.words(row.change), "\(row.ranks)",
        "\(row.movedExperts)", "\(row.leastExperts)", "\(row.withoutCopy)",
        "\(row.mostIntoARank)", row.bytes.map { Quantity.bytes($0) } ?? "-",
        row.maxOverMean.map { Quantity.fixed($0, 3) } ?? "-",
      ])
      last = row.placement
    }
    return table.text
  }

  private static func words(_ change: String) -> String {
    let count = change.dropFirst()
    return change.hasPrefix("-")
      ? "\(count) leave\(count == "1" ? "s" : "")" : "\(count) come\(count == "1" ? "s" : "")"
  }

  private var legend: String {
    Paragraph(
      "moved: experts that ranks must get, over all layers; least: what any placement with as many "
        + "experts on each rank moves. No copy left: experts of the rank that loses them or leaves "
        + "that stand nowhere else; made anew where it can no longer send them. load: afterwards, "
        + "shared evenly by replicas, on the load that was fitted. The rank lost is the worst, "
        + "ranks that leave are the last.",
      indent: 0
    ).text
  }

  /// Which strategy moves the fewest when ranks come or leave; nil where there is no choice.
  private var fewest: String? {
    var sums: [(placement: String, moved: Int)] = []
    for row in record.rows where row.lostRank == nil {
      if sums.last?.placement != row.placement { sums.append((row.placement, 0)) }
      sums[sums.count - 1].moved += row.movedExperts
    }
    guard sums.count > 1, let least = sums.map(\.moved).min() else { return nil }
    let best = sums.filter { $0.moved == least }.map(\.placement)
    let others = sums.filter { $0.moved != least }.sorted { $0.moved < $1.moved }
    let next = others.first.map { "; then \($0.placement) with \($0.moved)" } ?? ""
    return Paragraph(
      "Fewest experts move with \(best.joined(separator: ", ")) when ranks come or leave: \(least) "
        + "over these changes\(next).", indent: 2
    ).text
  }
}
