// SPDX-License-Identifier: Apache-2.0
// epsim: the load of ranks as bars.

internal import Foundation

/// Bars per rank, of one load or of two beside each other.
///
/// Bars begin at zero; the mark stands at the mean. Of many ranks the most and the least loaded are
/// drawn.
public struct LoadBars {
  private let columns: [(heading: String, loads: [Double])]
  private static let mostRanks = 32
  private static let width = 36

  /// - Precondition: one or two columns of as many ranks.
  public init(_ columns: [(heading: String, loads: [Double])]) {
    precondition(
      (1...2).contains(columns.count) && Set(columns.map(\.loads.count)).count == 1,
      "\(columns.count) columns of bars")
    self.columns = columns
  }

  public var text: String {
    let means = columns.map { column in
      column.loads.reduce(0, +) / Double(max(1, column.loads.count))
    }
    let scales = zip(columns, means).map { column, mean in
      mean > 0 ? column.loads.map { $0 / mean } : column.loads
    }
    let largest = max(1, scales.joined().max() ?? 1)
    let ranks = shown(scales[scales.count - 1])
    var lines = [
      "rank  "
        + columns.map {
          ($0.heading + " (load / mean)").padding(
            toLength: Self.width + 8, withPad: " ", startingAt: 0)
        }
        .joined()
    ]
    for rank in ranks {
      let cells = scales.map { scale in
        Self.bar(scale[rank], of: largest) + " "
          + Quantity.fixed(scale[rank], 2).padding(toLength: 7, withPad: " ", startingAt: 0)
      }
      lines.append(
        String(repeating: " ", count: max(0, 4 - "\(rank)".count)) + "\(rank)  " + cells.joined())
    }
    if ranks.count < scales[0].count { lines.append("      ... of \(scales[0].count) ranks") }
    return lines.map { line in
      String(line.reversed().drop { $0 == " " }.reversed())
    }.joined(separator: "\n")
  }

  /// All ranks, or the most and the least loaded of the last column.
  private func shown(_ scale: [Double]) -> [Int] {
    guard scale.count > Self.mostRanks else { return Array(scale.indices) }
    let order = scale.indices.sorted { (-scale[$0], $0) < (-scale[$1], $1) }
    return (order.prefix(Self.mostRanks / 2) + order.suffix(Self.mostRanks / 2)).sorted()
  }

  /// Eighths of a column; a mark at the mean where the bar does not reach it.
  private static func bar(_ value: Double, of largest: Double) -> String {
    let eighths = Int((value / largest * Double(8 * width)).rounded())
    let parts = Array(" ▏▎▍▌▋▊▉")
    var cells = Array(repeating: Character("█"), count: eighths / 8)
    if eighths % 8 > 0 { cells.append(parts[eighths % 8]) }
    while cells.count < width { cells.append(" ") }
    let mean = min(width - 1, Int(Double(width) / largest))
    if cells[mean] == " " { cells[mean] = "|" }
    return String(cells)
  }
}
