// SPDX-License-Identifier: Apache-2.0
// epsim: which case is fastest, and why, in words.

internal import Placement
internal import Timing

/// One sentence that names the fastest case and those that cannot be told from it.
struct Verdict {
  let text: String

  init(on cases: [CaseRecord], unit: Quantity.TimeUnit) {
    let fastest = cases.min { $0.stepUs.median < $1.stepUs.median }!
    // Only cases that ran interleaved are paired step by step.
    let others = cases.filter { $0.name != fastest.name && $0.block == fastest.block }
      .map {
        (
          name: $0.name,
          differs: PairedRatio($0.stepUs.samples, base: fastest.stepUs.samples).differs
        )
      }
    let equal = others.filter { $0.differs == false }.map(\.name)
    let unknown = others.filter { $0.differs == nil }.map(\.name)
    func names(_ cases: [String]) -> String {
      // A long list of all cases says no more than this.
      cases.count > 3 && cases.count == others.count
        ? "any other case" : cases.joined(separator: ", ")
    }
    text =
      "Fastest: \(fastest.name), \(unit.withUnit(fastest.stepUs.median)) a step"
      + Self.bytes(of: fastest, among: cases)
      + (equal.isEmpty ? "" : "; no difference between it and \(names(equal))")
      + (unknown.isEmpty
        ? "." : "; too few steps to tell it from \(names(unknown)).")
  }

  /// What leaves the ranks, where cases differ in how rows travel and in nothing else.
  private static func bytes(of fastest: CaseRecord, among cases: [CaseRecord]) -> String {
    let others = cases.filter { $0.name != fastest.name }
    guard !others.isEmpty, others.allSatisfy({ $0.differsInExchangeOnly(from: fastest) }) else {
      return ""
    }
    let (offRank, offNode) = (
      fastest.wireBytes.offRank.both, fastest.wireBytes.offNode.both
    )
    return " with \(Quantity.bytes(offRank)) off-rank"
      + (offNode > 0 ? ", \(Quantity.bytes(offNode)) off-node" : "")
  }
}

/// One sentence on why a case is faster or slower than the first.
struct Explanation {
  let text: String

  init(of entry: CaseRecord, against first: CaseRecord, unit: Quantity.TimeUnit) {
    let ratio = entry.ratioToFirst
    let verdict: String
    switch ratio?.differs {
    case .some(true):
      let change = abs(1 - ratio!.median)
      verdict =
        "\(Quantity.percent(change)) \(ratio!.median < 1 ? "faster" : "slower") than \(first.name)"
    case .some(false): verdict = "no difference from \(first.name)"
    case nil: verdict = "too few steps to tell from \(first.name)"
    }
    let terms = Self.terms(first, entry)
    let changes = terms.map { (name: $0.name, from: $0.value(first), to: $0.value(entry)) }
    guard entry.block == first.block,
      let largest = changes.max(by: { abs($0.to - $0.from) < abs($1.to - $1.from) })
    else {
      text = "\(entry.name): \(verdict)."
      return
    }
    text =
      "\(entry.name): \(verdict); the largest change is in \(largest.name), "
      + "\(unit.withUnit(largest.from)) to \(unit.withUnit(largest.to))"
      + Self.changes(first, entry)
      + (largest.name == Self.waiting ? Self.culprit(of: entry, unit) : "") + "."
  }

  private static let waiting = "waiting for a late rank"

  /// The counters that go with it: load, and where the cases differ in how rows travel and in
  /// nothing else, what leaves ranks and nodes.
  private static func changes(_ first: CaseRecord, _ entry: CaseRecord) -> String {
    func change(_ name: String, _ text: (CaseRecord) -> String) -> String? {
      let (from, to) = (text(first), text(entry))
      return from == to ? nil : "\(name) \(from) to \(to)"
    }
    var changes = [change("load max/mean") { Quantity.fixed($0.load.maxOverMean, 3) }]
    if entry.differsInExchangeOnly(from: first) {
      changes += [
        change("bytes off-rank") { Quantity.bytes($0.wireBytes.offRank.both) },
        change("off-node") { Quantity.bytes($0.wireBytes.offNode.both) },
      ]
    }
    let texts = changes.compactMap { $0 }
    return texts.isEmpty ? "" : ", with " + texts.joined(separator: ", ")
  }

  /// The rank that the others wait for most, and what makes it late.
  private static func culprit(of entry: CaseRecord, _ unit: Quantity.TimeUnit) -> String {
    guard let late = entry.blame.lateRanks.first else { return "" }
    return "; most is for rank \(late.rank), late by \(late.mainCause)"
  }

  /// What the step is made of. Where the clocks cannot tell whether waiting or transfer has
  /// changed, both are one term.
  private static func terms(
    _ first: CaseRecord, _ entry: CaseRecord
  ) -> [(name: String, value: (CaseRecord) -> Double)] {
    let error = max(first.bothExchanges(\.error), entry.bothExchanges(\.error))
    func change(_ part: KeyPath<CaseRecord.ExchangeTime, Double>) -> Double {
      abs(entry.bothExchanges(part) - first.bothExchanges(part))
    }
    let exchange: [(String, (CaseRecord) -> Double)] =
      max(change(\.wait), change(\.transfer)) <= error
      ? [("the exchange", { $0.bothExchanges(\.wait) + $0.bothExchanges(\.transfer) })]
      : [
        ("transfer", { $0.bothExchanges(\.transfer) }), (waiting, { $0.bothExchanges(\.wait) }),
      ]
    return [("expert compute (mean rank)", { $0.expertTime.mean })] + exchange + [
      ("the rest", { $0.restUs })
    ]
  }
}
