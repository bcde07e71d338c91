// SPDX-License-Identifier: Apache-2.0
// epsim: which case exchanges fastest at which size of a step.

internal import Foundation
internal import Timing

/// The fastest cases of every size, and in words where one overtakes another.
struct Crossover {
  /// What is fastest at one size.
  struct Point {
    let tokens: Int
    /// Nil where cases send different numbers of rows.
    let rowsPerPeer: Double?
    /// The fastest case, and behind it those that cannot be told from it.
    let fastest: [Int]
  }

  /// Ascending in tokens.
  let points: [Point]
  private let cases: [CaseRecord]

  init(_ cases: [CaseRecord]) {
    self.cases = cases
    let sizes = Set(cases.flatMap { ($0.sizes ?? []).map(\.tokens) }).sorted()
    points = sizes.map { Self.point(tokens: $0, cases) }
  }

  private static func point(tokens: Int, _ cases: [CaseRecord]) -> Point {
    let figures = cases.map { $0.figures(tokens: tokens) }
    let measured = cases.indices.filter { figures[$0] != nil }
    let fastest = measured.min {
      figures[$0]!.exchangeUs.median < figures[$1]!.exchangeUs.median
    }!
    let base = figures[fastest]!.exchangeUs.samples
    let equal = measured.filter { index in
      // Only cases that ran interleaved are paired step by step.
      guard index != fastest, cases[index].block == cases[fastest].block,
        case let samples = figures[index]!.exchangeUs.samples, samples.count == base.count,
        base.allSatisfy({ $0 > 0 })
      else { return false }
      return PairedRatio(samples, base: base).differs == false
    }
    let rows = Set(measured.map { figures[$0]!.rowsPerPeer })
    return Point(
      tokens: tokens, rowsPerPeer: rows.count == 1 ? rows.first : nil, fastest: [fastest] + equal)
  }

  /// Whether some size has too few steps to tell a difference.
  var hasTooFewSteps: Bool {
    cases.contains { ($0.sizes ?? []).contains { $0.exchangeUs.ci95 == nil } }
  }

  /// Sizes in a row with cases that are among the fastest at all of them.
  private var stretches: [(points: Range<Int>, cases: [Int])] {
    var stretches: [(points: Range<Int>, cases: [Int])] = []
    for (index, point) in points.enumerated() {
      let common = stretches.last?.cases.filter(point.fastest.contains) ?? []
      if common.isEmpty {
        stretches.append((index..<index + 1, point.fastest))
      } else {
        let first = stretches.removeLast().points.lowerBound
        stretches.append((first..<index + 1, common))
      }
    }
    return stretches
  }

  /// One sentence; empty where there is nothing to compare.
  var text: String {
    guard cases.count > 1, !points.isEmpty else { return "" }
    let stretches = stretches
    var sentence = stretches.enumerated().map { index, stretch in
      place(stretch.points, isFirst: index == 0) + " " + winner(stretch)
    }.joined(separator: "; ")
    sentence = sentence.prefix(1).uppercased() + sentence.dropFirst() + "."
    if hasTooFewSteps {
      sentence +=
        " Fewer than \(Estimate.minimumSamples) steps of a size: what is fastest may be chance."
    }
    return Paragraph(sentence, indent: 2).text
  }

  private func place(_ stretch: Range<Int>, isFirst: Bool) -> String {
    let isLast = stretch.upperBound == points.count
    if isFirst && isLast { return "at every size" }
    let unit = isFirst ? (isByRows ? " rows per peer" : " tokens a step") : ""
    let (low, high) = (size(stretch.lowerBound), size(stretch.upperBound - 1))
    if isFirst { return "up to \(high)\(unit)" }
    if isLast { return "from \(low)" }
    return low == high ? "at \(low)" : "from \(low) to \(high)"
  }

  private var isByRows: Bool { points.allSatisfy { $0.rowsPerPeer != nil } }

  private func size(_ index: Int) -> String {
    isByRows ? Self.rows(points[index].rowsPerPeer!) : "\(points[index].tokens)"
  }

  /// A mean number of rows.
  static func rows(_ count: Double) -> String {
    Quantity.fixed(count, count >= 10 || count == count.rounded() ? 0 : 1)
  }

  /// Who is fastest in a stretch, and by how much against the first case.
  private func winner(_ stretch: (points: Range<Int>, cases: [Int])) -> String {
    if stretch.cases.count == cases.count { return "there is no difference between the cases" }
    func time(_ index: Int) -> Double {
      stretch.points.reduce(0) {
        $0 + log(cases[index].figures(tokens: points[$1].tokens)?.exchangeUs.median ?? .infinity)
      }
    }
    let leader = stretch.cases.min { time($0) < time($1) }!
    let equal = stretch.cases.filter { $0 != leader }
    // At a noisy size another median may be smaller, and yet no difference.
    let leads = stretch.points.allSatisfy { points[$0].fastest[0] == leader }
    return "\(cases[leader].name) is fastest" + (leads ? "" : " or not to be told from the fastest")
      + gain(of: leader, equal, stretch.points)
      + (equal.isEmpty ? "" : " (no difference from \(names(equal)))")
  }

  /// Names of a few cases, the number of many.
  private func names(_ indices: [Int]) -> String {
    indices.count > 3
      ? "\(indices.count) others" : indices.map { cases[$0].name }.joined(separator: ", ")
  }

  private func gain(of leader: Int, _ equal: [Int], _ stretch: Range<Int>) -> String {
    guard leader != 0, !equal.contains(0) else { return "" }
    let ratios = stretch.compactMap {
      cases[leader].figures(tokens: points[$0].tokens)?.ratioToFirst
    }
    let factors = ratios.filter { $0.differs != false }.map { 1 / $0.median }
    guard let low = factors.min(), let high = factors.max() else { return "" }
    let texts = [low, high].map { Quantity.fixed($0, 2) }
    return ", \(texts[0] == texts[1] ? texts[0] : "\(texts[0]) to \(texts[1])") times as fast as "
      + cases[0].name + (factors.count < ratios.count ? " where they differ" : "")
  }
}

extension CaseRecord {
  /// The figures of a size of a step; nil where there is no such step.
  func figures(tokens: Int) -> SizeFigures? { sizes?.first { $0.tokens == tokens } }
}
