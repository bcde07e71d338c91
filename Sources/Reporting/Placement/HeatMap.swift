// SPDX-License-Identifier: Apache-2.0
// epsim: a matrix as shades.

/// What rows send to columns, as a map of shades: five from nothing to the largest value.
///
/// Where there are more rows or columns than fit, neighbours are added up.
public struct HeatMap {
  private let title: String
  private let rows: Int
  private let columns: Int
  private let values: [Double]
  private static let most = 40

  /// Shape: `values` [rows, columns], row-major, not negative.
  public init(title: String, rows: Int, columns: Int, values: [Double]) {
    precondition(
      rows >= 1 && columns >= 1 && values.count == rows * columns,
      "\(values.count) values for \(rows) x \(columns)")
    self.title = title
    self.rows = rows
    self.columns = columns
    self.values = values
  }

  public var text: String {
    let (rowStep, columnStep) = (Self.step(rows), Self.step(columns))
    let (height, width) = (Self.cells(rows, rowStep), Self.cells(columns, columnStep))
    var sums = Array(repeating: 0.0, count: height * width)
    for row in 0..<rows {
      for column in 0..<columns {
        sums[row / rowStep * width + column / columnStep] += values[row * columns + column]
      }
    }
    let largest = sums.max() ?? 0
    let label = "\((height - 1) * rowStep)".count
    let merged =
      rowStep * columnStep == 1 ? "" : ", a cell is \(rowStep) x \(columnStep) of them"
    var lines = [
      "\(title); from row to column, █ up to \(Quantity.significant(largest)), least "
        + Quantity.significant(sums.min() ?? 0) + merged
    ]
    // Every cell is two columns wide, so that maps of equal sides look square.
    lines.append(
      String(repeating: " ", count: label + 2)
        + stride(from: 0, to: width, by: 5).map { place in
          let number = "\(place * columnStep)"
          return number + String(repeating: " ", count: max(0, 10 - number.count))
        }.joined())
    for row in 0..<height {
      let number = "\(row * rowStep)"
      let cells = (0..<width).map { Self.shade(sums[row * width + $0], of: largest) }
      lines.append(
        String(repeating: " ", count: label - number.count) + number + "  " + cells.joined())
    }
    return lines.map { String($0.reversed().drop { $0 == " " }.reversed()) }.joined(separator: "\n")
  }

  /// Entries that share a cell.
  private static func step(_ count: Int) -> Int { (count + most - 1) / most }
  private static func cells(_ count: Int, _ step: Int) -> Int { (count + step - 1) / step }

  /// `·` for nothing, then four shades.
  static func shade(_ value: Double, of largest: Double) -> String {
    guard value > 0, largest > 0 else { return "· " }
    let shades = ["░░", "▒▒", "▓▓", "██"]
    return shades[min(3, Int(value / largest * 4))]
  }
}
