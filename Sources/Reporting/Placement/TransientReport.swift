// SPDX-License-Identifier: Apache-2.0
// epsim: the table of experts that are lent for single batches.

internal import Foundation
internal import Placement

/// What balancing single batches does, as text.
public struct TransientReport {
  private let record: TransientRecord

  public init(_ record: TransientRecord) { self.record = record }

  public var text: String {
    let heading =
      "per batch (a layer of a step of \(record.tokensPerBatch) tokens), \(record.tokens)"
    let verdicts = record.verdicts.map { Paragraph("- " + $0, indent: 2).text }
    return ([Paragraph(heading, indent: 2).text, table, legend] + verdicts.joinedLines)
      .joined(separator: "\n\n")
  }

  private var table: String {
    let slowest = record.rows.compactMap(\.score.seconds).max()
    let unit = Quantity.TimeUnit(fitting: (slowest ?? 0) * 1e6)
    var columns: [(heading: String, alignment: TextTable.Alignment)] = [
      ("placement", .left), ("per batch", .left), ("load", .right), ("experts\na batch", .right),
      ("most\na rank", .right), ("weights\na batch", .right),
    ]
    if slowest != nil {
      columns += [
        ("\(unit.name)\nrows", .right), ("\(unit.name)\nweights", .right),
        ("\(unit.name)\nboth", .right), ("pays from\ntokens", .right),
      ]
    }
    var table = TextTable(columns)
    for row in record.rows {
      let score = row.score
      var cells = [
        row.rule == nil ? PlacementLabReport.broken(row.placement, width: 12) : "",
        row.rule.map { PlacementLabReport.broken($0, width: 14) } ?? "-",
        Quantity.fixed(score.load.maxOverMean, 3),
        row.rule == nil ? "-" : Quantity.fixed(score.expertsPerBatch, 1),
        row.rule == nil ? "-" : "\(score.mostExpertsOfRank)",
        row.rule == nil ? "-" : Quantity.bytes(score.bytesPerBatch),
      ]
      if slowest != nil {
        cells += [score.rowSeconds, score.weightSeconds, score.seconds].map { seconds in
          seconds.map { unit.text($0 * 1e6) } ?? "n/a"
        }
        cells.append(paysFrom(row))
      }
      table.add(cells)
    }
    return table.text
  }

  private func paysFrom(_ row: TransientRecord.Row) -> String {
    guard row.rule != nil, row.score.lendingBatches > 0 else { return "-" }
    guard let tokens = row.paysFromTokens else { return "never" }
    let least = Double(record.tokensPerBatch) * TransientScorer.scales[0]
    return tokens <= least ? "any" : Self.tokens(tokens)
  }

  private var legend: String {
    var text =
      "load: max/mean over ranks, sum over batches. Experts: weights sent, one for each rank that "
      + "gets them, \(Quantity.bytes(record.bytesPerExpert)) each; most a rank: for which a rank "
      + "needs room in some batch."
    if let cluster = record.cluster, let link = record.link {
      text +=
        " Times: modelled on \(cluster), mean of a batch; weights travel \(link), before any row: "
        + "nothing overlaps. Pays from: so many tokens a batch in the same proportions, lent the "
        + "same experts, take no longer than without; never: not up to "
        + "\(Self.tokens(record.largestTokens))."
    }
    return Paragraph(text, indent: 0).text
  }

  /// Two significant digits.
  static func tokens(_ count: Double) -> String {
    guard count >= 1 else { return "1" }
    let unit = pow(10, max(0, floor(log10(count)) - 1))
    return Quantity.grouped(Int((count / unit).rounded() * unit))
  }
}

extension [String] {
  /// One paragraph of them all; none where there are none.
  fileprivate var joinedLines: [String] { isEmpty ? [] : [joined(separator: "\n")] }
}
