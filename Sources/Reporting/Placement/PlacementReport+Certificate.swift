// SPDX-License-Identifier: Apache-2.0
// epsim: lower bounds beside a placement, in a few lines.

internal import Placement

extension PlacementReport {
  /// The bounds of the layer that is balanced worst, and how many layers cannot be better.
  static func certificate(_ layers: [PlacementCertificate]) -> String {
    guard
      let worst = layers.enumerated().max(by: {
        (imbalance($0.element), -$0.offset) < (imbalance($1.element), -$1.offset)
      })?.element, worst.largestLoad > 0
    else { return "no load: every placement is as good" }
    let best = layers.count { $0.gap == 0 }
    var lines = [
      "layer \(worst.layer), balanced worst: \(number(worst.largestLoad)) on the fullest rank; no "
        + "placement with these slots that shares evenly is below \(number(worst.bound)) "
        + "(\(bounds(worst))): "
        + (worst.gap > 0 ? "gap \(Quantity.percent(worst.gap))" : "proven best")
    ]
    if let least = worst.split { lines.append(split(least)) }
    if layers.count > 1 {
      lines.append("proven best: \(best) of \(layers.count) layers")
    }
    if let speed = speed(layers) { lines.append(speed) }
    return lines.map { Paragraph($0, indent: 2).text }.joined(separator: "\n")
  }

  /// The layer that is furthest from its bound where ranks are not equally fast.
  private static func speed(_ layers: [PlacementCertificate]) -> String? {
    let known = layers.compactMap { layer in layer.speed.map { (layer.layer, $0) } }
    guard let (layer, speed) = known.max(by: { $0.1.gap < $1.1.gap }) else { return nil }
    return
      "layer \(layer), furthest from its bound by speed: load / speed \(number(speed.largest)) on "
      + "the latest rank; no placement with these slots is below \(number(speed.bound)): "
      + (speed.gap > 0 ? "gap \(Quantity.percent(speed.gap))" : "proven best")
  }

  private static func imbalance(_ layer: PlacementCertificate) -> Double {
    layer.mean > 0 ? layer.largestLoad / layer.mean : 1
  }

  private static func bounds(_ layer: PlacementCertificate) -> String {
    var parts = [
      "mean \(number(layer.shared))", "heaviest replica \(number(layer.heaviestReplica))",
    ]
    if let cardinality = layer.cardinality { parts.append("cardinality \(number(cardinality))") }
    if let search = layer.search {
      parts.append(
        "branch and bound \(number(search.bound))" + (search.isProven ? "" : ", cut short"))
    }
    return parts.joined(separator: ", ")
  }

  private static func split(_ split: PlacementCertificate.Split) -> String {
    let (ranks, load) = (split.ranks.count, split.load)
    let value =
      load.isMultiple(of: ranks) ? "\(load / ranks)" : "\(load)/\(ranks) = \(number(split.value))"
    let gap =
      split.gap > 0
      ? "even shares are \(Quantity.percent(split.gap)) above it" : "even shares reach it"
    return
      "over its copies: rank\(ranks == 1 ? "" : "s") {\(some(split.ranks))} alone "
      + "host\(ranks == 1 ? "s" : "") experts \(some(split.experts)): no split is below \(value); "
      + gap
  }

  /// The first of many.
  private static func some(_ numbers: [Int]) -> String {
    let most = 16
    return numbers.prefix(most).map { "\($0)" }.joined(separator: ",")
      + (numbers.count > most ? ",... (\(numbers.count))" : "")
  }

  /// Whole where it is, else two decimals.
  private static func number(_ value: Double) -> String {
    Int(exactly: value).map { "\($0)" } ?? Quantity.fixed(value, 2)
  }
}
