// SPDX-License-Identifier: Apache-2.0
// epsim: which experts stand on which ranks, as a map.

public import Placement

/// One layer of a placement: a line per rank, a column per expert, shaded by the expert's load.
///
/// Experts run in lines of 80, ranks up to 40: more are left out and counted.
public struct ExpertMap {
  private let placement: ExpertPlacement
  private let row: Int
  private let loads: [Int]
  private static let width = 80
  private static let mostRanks = 40

  /// Shape: `loads` [E] assignments of the layer.
  public init(_ placement: ExpertPlacement, layerRow row: Int, loads: [Int]) {
    precondition(
      loads.count == placement.expertCount, "\(loads.count) loads of \(placement.expertCount)")
    self.placement = placement
    self.row = row
    self.loads = loads
  }

  public var text: String {
    let mean = Double(loads.reduce(0, +)) / Double(loads.count)
    let shown = min(placement.rankCount, Self.mostRanks)
    let held = (0..<shown).map { Set(placement.experts(onRank: $0, layerRow: row)) }
    let label = "\(shown - 1)".count
    var lines = [
      "experts of layer \(placement.layers[row]) by rank: █ above twice the mean load, ▓ above it, "
        + "▒ above half, ░ less"
    ]
    for first in stride(from: 0, to: placement.expertCount, by: Self.width) {
      let experts = first..<min(first + Self.width, placement.expertCount)
      lines.append(
        String(repeating: " ", count: label + 2)
          + stride(from: experts.lowerBound, to: experts.upperBound, by: 10).map { expert in
            "\(expert)" + String(repeating: " ", count: max(0, 10 - "\(expert)".count))
          }.joined())
      for rank in 0..<shown {
        let cells = experts.map { expert in
          held[rank].contains(expert) ? Self.shade(Double(loads[expert]), mean) : "·"
        }
        let number = "\(rank)"
        lines.append(
          String(repeating: " ", count: label - number.count) + number + "  " + cells.joined())
      }
    }
    if shown < placement.rankCount {
      lines.append("... and \(placement.rankCount - shown) more ranks")
    }
    return lines.map { String($0.reversed().drop { $0 == " " }.reversed()) }.joined(separator: "\n")
  }

  private static func shade(_ load: Double, _ mean: Double) -> String {
    load > 2 * mean ? "█" : load > mean ? "▓" : load > mean / 2 ? "▒" : "░"
  }
}
