// SPDX-License-Identifier: Apache-2.0
// epsim: what `epsim validate --published` prints.

public import Projection

/// Predictions against published tables, row by row, and a line for each table at the end.
public struct PublishedTableReport {
  private let comparisons: [PublishedComparison]

  public init(_ report: PublishedReport) { comparisons = report.comparisons }

  public var text: String { (comparisons.map(table) + [summary]).joined(separator: "\n\n") }

  private func table(_ comparison: PublishedComparison) -> String {
    var rows = TextTable([
      ("row", .left), ("published\n\(comparison.unit)", .right),
      ("predicted\n\(comparison.unit)", .right), ("error", .right), ("", .left),
    ])
    for row in comparison.rows {
      rows.add([
        row.label, Quantity.significant(row.published), Quantity.significant(row.predicted),
        Self.signed(row.error), row.role.rawValue,
      ])
    }
    var lines = [
      "\(comparison.title) (timings/\(comparison.source))",
      Paragraph("model: \(comparison.model)", indent: 2).text,
      Paragraph("split: \(comparison.split)", indent: 2).text,
    ]
    if !comparison.parameters.isEmpty {
      let words = comparison.parameters.map {
        "\($0.name) \(Quantity.significant($0.value)) \($0.unit)"
      }
      lines.append(Paragraph("numbers: \(words.joined(separator: "; "))", indent: 2).text)
    }
    return (lines + [verdict(comparison), "", rows.text]).joined(separator: "\n")
  }

  private func verdict(_ comparison: PublishedComparison) -> String {
    let (verdict, disturbed) = (comparison.verdict, comparison.withDisturbed)
    let extra =
      disturbed.rowCount > verdict.rowCount
      ? "; \(Quantity.percent(disturbed.meanAbsoluteError)) with the disturbed" : ""
    return "mean absolute error \(Quantity.percent(verdict.meanAbsoluteError)) over "
      + "\(verdict.rowCount) judged rows, accepted up to \(Self.bound(comparison))\(extra)"
  }

  /// A line for each table.
  private var summary: String {
    var rows = TextTable([
      ("table", .left), ("fitted\nrows", .right), ("judged\nrows", .right),
      ("mean\nerror", .right), ("largest\nerror", .right), ("up to", .right), ("", .left),
    ])
    for comparison in comparisons {
      let verdict = comparison.verdict
      rows.add([
        comparison.title, "\(comparison.rows.count { $0.role == .fitted })",
        "\(verdict.rowCount)", Quantity.percent(verdict.meanAbsoluteError),
        Quantity.percent(verdict.largestError), Self.bound(comparison),
        verdict.isGood ? "within" : "beyond",
      ])
    }
    let note = Paragraph(
      "Absolute errors of judged rows; up to = accepted mean. No fitted rows: two halves predict each "
        + "other, or the numbers come from another table.", indent: 2)
    return rows.text + "\n" + note.text
  }

  private static func bound(_ comparison: PublishedComparison) -> String {
    Quantity.percent(comparison.bound, 0)
  }

  private static func signed(_ share: Double) -> String {
    (share < 0 ? "" : "+") + Quantity.percent(share)
  }

  /// The figures as JSON.
  public var json: String {
    get throws { try RecordCoding.text(Output(tables: comparisons.map(Output.Table.init))) }
  }

  private struct Output: Codable {
    struct Row: Codable {
      var label: String
      var published: Double
      var predicted: Double
      var error: Double
      var role: PublishedComparison.Role
    }
    struct Parameter: Codable {
      var name: String
      var value: Double
      var unit: String
    }
    struct Table: Codable {
      var title: String
      var source: String
      var unit: String
      var model: String
      var split: String
      var bound: Double
      var meanAbsoluteError: Double
      var largestError: Double
      var judgedRows: Int
      var isGood: Bool
      var parameters: [Parameter]
      var rows: [Row]

      init(_ comparison: PublishedComparison) {
        let verdict = comparison.verdict
        (title, source, unit) = (comparison.title, comparison.source, comparison.unit)
        (model, split, bound) = (comparison.model, comparison.split, comparison.bound)
        (meanAbsoluteError, largestError) = (verdict.meanAbsoluteError, verdict.largestError)
        (judgedRows, isGood) = (verdict.rowCount, verdict.isGood)
        parameters = comparison.parameters.map {
          Parameter(name: $0.name, value: $0.value, unit: $0.unit)
        }
        rows = comparison.rows.map {
          Row(
            label: $0.label, published: $0.published, predicted: $0.predicted, error: $0.error,
            role: $0.role)
        }
      }
    }
    var schema = "epsim-published/1"
    var tables: [Table]
  }
}
