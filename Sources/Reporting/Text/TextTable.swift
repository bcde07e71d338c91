// SPDX-License-Identifier: Apache-2.0
// epsim: tables of plain text.

/// A table for a terminal: columns as wide as their widest cell, numbers to the right.
public struct TextTable: Sendable {
  /// Where the cells of a column stand.
  public enum Alignment: Sendable {
    case left
    case right
  }

  private let header: [String]
  private let alignments: [Alignment]
  private var rows: [[String]] = []

  /// Columns with their headings. A heading may take two lines ("expert\nmax ms").
  public init(_ columns: [(heading: String, alignment: Alignment)]) {
    header = columns.map(\.heading)
    alignments = columns.map(\.alignment)
  }

  /// Adds a row. A cell may take several lines; the others then stand beside its first.
  /// - Precondition: one cell per column.
  public mutating func add(_ cells: [String]) {
    precondition(cells.count == header.count, "\(cells.count) cells, \(header.count) columns")
    let lines = cells.map { $0.split(separator: "\n", omittingEmptySubsequences: false) }
    for line in 0..<(lines.map(\.count).max() ?? 0) {
      rows.append(lines.map { $0.indices.contains(line) ? String($0[line]) : "" })
    }
  }

  /// Words in lines of at most `width` columns, where no word is longer; for the names of cases.
  static func wrapped(_ text: String, width: Int = 20) -> String {
    var lines: [String] = []
    for word in text.split(separator: " ") {
      if let last = lines.last, last.count + 1 + word.count <= width {
        lines[lines.count - 1] = last + " " + word
      } else {
        lines.append((lines.isEmpty ? "" : "  ") + word)
      }
    }
    return lines.joined(separator: "\n")
  }

  /// The table as text, without a trailing newline.
  public var text: String {
    let headings = header.map { $0.split(separator: "\n", omittingEmptySubsequences: false) }
    let headingLines = headings.map(\.count).max() ?? 0
    // Short headings sink to the last line.
    let headerRows = (0..<headingLines).map { line in
      headings.map { lines in
        let index = line - (headingLines - lines.count)
        return index >= 0 ? String(lines[index]) : ""
      }
    }
    let widths = header.indices.map { column in
      (headerRows + rows).map { $0[column].count }.max() ?? 0
    }
    let rule = widths.map { String(repeating: "-", count: $0) }
    return (headerRows + [rule] + rows).map { cells in
      let line = cells.enumerated().map { column, cell in
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        return alignments[column] == .left ? cell + padding : padding + cell
      }.joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed())
    }.joined(separator: "\n")
  }
}
