// SPDX-License-Identifier: Apache-2.0
// epsim: what cases take and move at each size of a step.

/// The time of an exchange by case and size, and the bytes of the largest size.
struct SizeTable {
  private let cases: [CaseRecord]
  private let crossover: Crossover

  /// So many sizes fit beside the names of cases.
  private static let columns = 7

  init(_ cases: [CaseRecord]) {
    self.cases = cases
    crossover = Crossover(cases)
  }

  var text: String {
    let points = crossover.points
    let tables = stride(from: 0, to: points.count, by: Self.columns).map {
      times(points[$0..<min($0 + Self.columns, points.count)])
    }
    return ([tables.joined(separator: "\n\n") + "\n" + legend] + [volumes])
      .filter { !$0.isEmpty }.joined(separator: "\n\n")
  }

  private var legend: String {
    let mark =
      crossover.hasTooFewSteps || crossover.points.allSatisfy { $0.fastest.count == 1 }
      ? "* the fastest" : "* the fastest, and what cannot be told from it (no difference)"
    return Paragraph(
      "\(mark); pack, dispatch, group, ungroup, combine and reduce of the slowest rank, waiting "
        + "included", indent: 2
    ).text
  }

  /// One column per size; the fastest cases are marked.
  private func times(_ points: ArraySlice<Crossover.Point>) -> String {
    let hasRows = points.allSatisfy { $0.rowsPerPeer != nil }
    var table = TextTable(
      [
        (
          "exchange per layer, us\ntokens a step" + (hasRows ? "\nrows per peer" : ""),
          .left
        )
      ]
        + points.map { point in
          let rows = hasRows ? "\n" + Crossover.rows(point.rowsPerPeer!) + " " : ""
          return ("\(point.tokens) " + rows, .right)
        })
    for (index, entry) in cases.enumerated() {
      table.add(
        [TextTable.wrapped(entry.name)]
          + points.map { point in
            guard let figures = entry.figures(tokens: point.tokens) else { return "- " }
            return Quantity.significant(figures.exchangeUs.median)
              + (point.fastest.contains(index) ? "*" : " ")
          })
    }
    return table.text
  }

  /// Per step of the largest size over all ranks, both ways together.
  private var volumes: String {
    guard let largest = crossover.points.last else { return "" }
    var table = TextTable([
      ("\(largest.tokens) tokens a step", .left), ("bytes\nlogical", .right),
      ("\noff-rank", .right), ("on the wire\noff-rank", .right), ("\noff-node", .right),
      ("GB/s\nlogical", .right), ("\noff-rank", .right), ("\noff-node", .right),
    ])
    for entry in cases {
      guard let figures = entry.figures(tokens: largest.tokens) else { continue }
      table.add([
        TextTable.wrapped(entry.name), Quantity.bytes(figures.bytes.logical.both),
        Quantity.bytes(figures.bytes.offRank.both), Quantity.bytes(figures.wireBytes.offRank.both),
        Quantity.bytes(figures.wireBytes.offNode.both),
        Quantity.significant(figures.gbPerS.logical), Quantity.significant(figures.gbPerS.offRank),
        Quantity.significant(figures.gbPerS.offNode),
      ])
    }
    return table.text
  }
}
