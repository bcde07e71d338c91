// SPDX-License-Identifier: Apache-2.0
// epsim: the table that compares placements.

internal import CostModel
internal import Foundation
internal import Placement

/// Placements side by side as text.
public struct PlacementLabReport {
  private let record: PlacementLabRecord

  public init(_ record: PlacementLabRecord) { self.record = record }

  public var text: String {
    var parts = [heading, table, legend]
    if !fronts.isEmpty { parts.append(fronts) }
    if !record.remarks.isEmpty { parts.append(remarks) }
    parts += (record.placementChoices ?? []).map { AutoChoiceReport($0).text }
    return parts.joined(separator: "\n\n")
  }

  private var heading: String {
    let machine =
      "\(counted(record.ranks, "rank")) on \(counted(record.nodes, "node")), "
      + "\(counted(record.layers, "layer")); computed, nothing was run"
    let tokens =
      "fitted to \(record.fittedTokens), judged on \(record.judgedTokens); --dedup "
      + "\(record.dedup), --combine \(record.combine), --replica-choice "
      + record.replicaChoice.replacing(",", with: ", ")
      + (record.cluster.map { ", cluster \($0)" } ?? "")
    return machine + "\n" + Paragraph(tokens, indent: 2).text
  }

  private func counted(_ count: Int, _ word: String) -> String {
    "\(count) \(word)\(count == 1 ? "" : "s")"
  }

  private var table: String {
    let slowest = record.rows.flatMap { [$0.judged.stepSeconds, $0.fitted?.stepSeconds] }
      .compactMap { $0 }.max()
    let unit = Quantity.TimeUnit(fitting: (slowest ?? 0) * 1e6)
    var columns: [(heading: String, alignment: TextTable.Alignment)] = [
      ("placement", .left), ("weights\na rank", .right), ("load\nfitted", .right),
      ("load\njudged", .right), ("off-node\ncopies", .right), ("fan-out\nranks", .right),
    ]
    if slowest != nil {
      columns += [("\(unit.name)\nfitted", .right), ("\(unit.name)\njudged", .right)]
    }
    columns += [("gap", .right), ("regret", .right), ("moved", .right)]
    var table = TextTable(columns)
    for row in record.rows {
      var cells = [
        Self.broken(row.name), Quantity.bytes(row.memoryBytesPerRank),
        row.fitted.map { Quantity.fixed($0.load.maxOverMean, 3) } ?? "n/a",
        Quantity.fixed(row.judged.load.maxOverMean, 3),
        Quantity.fixed(row.offNodeCopies, 3),
        Quantity.fixed(row.judged.fanOutRanks, 2),
      ]
      if slowest != nil {
        cells += [row.fitted?.stepSeconds, row.judged.stepSeconds].map { seconds in
          seconds.map { unit.text($0 * 1e6) } ?? "n/a"
        }
      }
      cells += [
        Quantity.percent(row.gap), row.regret.map { Quantity.percent($0) } ?? "-",
        "\(row.movedSlots)",
      ]
      table.add(cells)
    }
    return table.text
  }

  /// A long name in lines that leave the table its width, broken before words, extra slots and parameters.
  static func broken(_ name: String, width: Int = 15) -> String {
    var pieces = [""]
    for character in name {
      if ":+ ".contains(character) { pieces.append("") }
      pieces[pieces.count - 1].append(character)
    }
    var lines = [pieces[0]]
    for piece in pieces.dropFirst() {
      if lines[lines.count - 1].count + piece.count <= width {
        lines[lines.count - 1] += piece
      } else {
        lines.append(piece.hasPrefix(" ") ? piece : " " + piece)
      }
    }
    return lines.map { $0.count > width ? String($0.prefix(width - 1)) + "…" : $0 }
      .joined(separator: "\n")
  }

  private var legend: String {
    let time = record.cluster != nil
    let text =
      "load: max/mean over ranks. Copies and fan-out: mean over judged tokens and layers. "
      + (time
        ? "Times: modelled, of a step, sum over its layers of dispatch, experts, combine and copies; "
          + "gap: over the lower bound of the time; regret: over the same strategy fitted to the "
          + "judged tokens, in time. "
        : "Gap: over the lower bound of load max/mean; regret: over the same strategy fitted to the "
          + "judged tokens, in load. ")
      + "moved: slots to fill anew coming from \(record.movedFrom), ranks relabelled inside nodes."
    return Paragraph(text, indent: 0).text
  }

  private var fronts: String {
    guard record.rows.count > 1 else { return "" }
    var lines = [
      "best of load and copies between nodes: "
        + record.frontOfLoadAndTraffic.joined(separator: ", ")
    ]
    if let front = record.frontOfTimeAndMemory {
      lines.insert("best of memory and time: " + front.joined(separator: ", "), at: 0)
    }
    return lines.map { Paragraph($0, indent: 2).text }.joined(separator: "\n")
  }

  private var remarks: String {
    record.remarks.map { Paragraph("- " + $0, indent: 2).text }.joined(separator: "\n")
  }
}
