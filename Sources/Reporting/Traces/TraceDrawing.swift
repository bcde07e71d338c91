// SPDX-License-Identifier: Apache-2.0
// epsim: pictures of a trace's load, made of characters.

/// The characters that pictures are made of.
public struct TraceDrawing: Sendable {
  /// From hardly any load to several times the mean.
  private let shades: [Character]
  private let bar: Character

  /// Shades of Unicode, or letters that every terminal and log shows.
  public init(ascii: Bool) {
    shades = ascii ? [" ", ".", ":", "*", "#"] : [" ", "░", "▒", "▓", "█"]
    bar = ascii ? "#" : "█"
  }

  /// The most cells of a line, so that it fits 100 columns with its label.
  static let maximumCells = 84
  /// Load over mean load at which the next shade begins.
  private static let limits = [0.25, 0.75, 1.5, 3]

  /// What the shades mean, in one line.
  var legend: String {
    let words = ["below 0.25", "to 0.75", "to 1.5", "to 3", "above"]
    return "load / mean load: "
      + zip(shades, words).map { "[\($0)] \($1)" }.joined(separator: "  ")
  }

  /// Experts that share a cell of a line.
  static func expertsPerCell(_ expertCount: Int) -> Int {
    (expertCount + maximumCells - 1) / maximumCells
  }

  /// One line of the heat map: the loads of a layer [E], as many experts per cell as it takes.
  func line(_ load: [Int]) -> String {
    let mean = Double(load.reduce(0, +)) / Double(load.count)
    let size = Self.expertsPerCell(load.count)
    return String(
      stride(from: 0, to: load.count, by: size).map { start in
        let cell = load[start..<min(start + size, load.count)]
        let ratio = Double(cell.reduce(0, +)) / Double(cell.count) / mean
        return shades[Self.limits.count { ratio >= $0 }]
      })
  }

  /// A bar whose length is the share of `value` in `largest`.
  func bar(_ value: Double, largest: Double, width: Int) -> String {
    guard largest > 0, value > 0 else { return "" }
    return String(repeating: bar, count: max(Int((value / largest * Double(width)).rounded()), 1))
  }
}
