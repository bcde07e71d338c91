// SPDX-License-Identifier: Apache-2.0
// epsim: what `epsim compare` prints.

internal import Placement

/// The comparison of cases as text: times, loads, and why they differ.
public struct CompareReport {
  private let record: RunRecord

  public init(_ record: RunRecord) { self.record = record }

  public var text: String {
    let heading = RecordHeading(record).text
    let exchange = ExchangeTable(record.cases, unit: unit)
    // Medians over steps of several sizes would say nothing.
    let parts =
      record.workload.stepTokens.count > 1
      ? [heading, SizeTable(record.cases).text, exchange.remark, ChoiceTable(record.cases).text]
        + notes + [Crossover(record.cases).text, record.placementChoiceText, record.predictionText]
      : [
        heading, caseTable, termTable, exchange.text, OverlapTable(record.cases, unit: unit).text,
        ChoiceTable(record.cases).text, capacityTable,
        LaunchSpread(record, unit).text,
      ] + balanceTables + notes + [explanations, record.placementChoiceText, record.predictionText]
    return parts.filter { !$0.isEmpty }.joined(separator: "\n\n")
  }

  private var unit: Quantity.TimeUnit {
    // By the largest figure, so that a noisy run does not widen the table.
    Quantity.TimeUnit(
      fitting: record.cases.map { max($0.stepUs.median, $0.stepUs.ci95?.last ?? 0) }.max() ?? 0)
  }

  /// How long each case takes, and what its placement is like.
  private var caseTable: String {
    let unit = unit
    var table = TextTable([
      ("case", .left), ("step \(unit.name)\n[95 % interval]", .right),
      ("step / first\n[95 % interval]", .right), ("load\nmax/mean", .right),
      ("off-rank\nper step", .right), ("fan-out\nranks", .right), ("replica\nmemory", .right),
    ])
    for entry in record.cases {
      table.add([
        TextTable.wrapped(entry.name), Self.step(entry.stepUs, unit),
        Self.ratio(entry.ratioToFirst),
        Quantity.fixed(entry.load.maxOverMean, 3), Quantity.bytes(entry.bytes.offRank.both),
        Quantity.fixed(entry.fanOut.ranks, 2), Quantity.bytes(Double(entry.replicas.extraBytes)),
      ])
    }
    return table.text
  }

  /// Where the time goes, and the counters behind it.
  private var termTable: String {
    let unit = unit
    var table = TextTable([
      ("\(unit.name)", .left), ("expert\nmax", .right), ("\nmean", .right),
      ("dispatch\nwait", .right), ("\ntransfer", .right), ("combine\nwait", .right),
      ("\ntransfer", .right), ("\nrest", .right), ("off-node\nper step", .right),
      ("experts\nactive", .right),
    ])
    for entry in record.cases {
      table.add([
        TextTable.wrapped(entry.name), unit.text(entry.expertTime.max),
        unit.text(entry.expertTime.mean),
        entry.dispatchUs.text(\.wait, unit), entry.dispatchUs.text(\.transfer, unit),
        entry.combineUs.text(\.wait, unit), entry.combineUs.text(\.transfer, unit),
        unit.text(entry.restUs),
        Quantity.bytes(entry.bytes.offNode.both), "\(entry.load.activatedMax)",
      ])
    }
    return table.text
  }

  private var capacityTable: String {
    CapacityTable(
      record.cases.compactMap { entry in entry.capacityUse.map { (entry.name, $0) } }
    ).text
  }

  /// Losses of every case that has them, under its name.
  private var balanceTables: [String] {
    record.cases.compactMap { entry in
      entry.balance.map { "\(entry.name)\n" + BalanceTable($0).text }
    }
  }

  private var notes: [String] {
    var notes: [String] = []
    if Set(record.cases.map(\.block)).count > 1 {
      notes.append(
        "Not all cases fit into memory together: they ran in "
          + "\((record.cases.map(\.block).max() ?? 0) + 1) blocks, each with the first case.")
    }
    if Set(record.cases.map { "\($0.topK) \($0.capacity)" }).count > 1 {
      notes.append(
        "Cases of another top-k or capacity compute another layer: fewer rows take less time.")
    }
    let checks = record.cases.compactMap(\.referenceError)
    if let worst = checks.max() {
      notes.append(
        "Reference error at most \(Quantity.scientific(worst)) "
          + "(\(record.cases[0].referenceTokens ?? 0) tokens per layer and case compared).")
    }
    return notes
  }

  private var explanations: String {
    guard let first = record.cases.first, record.cases.count > 1 else { return "" }
    let unit = unit
    let sentences =
      [Verdict(on: record.cases, unit: unit).text]
      + record.cases.dropFirst().map { Explanation(of: $0, against: first, unit: unit).text }
    return sentences.map { Paragraph($0, indent: 2).text }.joined(separator: "\n")
  }

  static func step(_ samples: CaseRecord.Samples, _ unit: Quantity.TimeUnit) -> String {
    let median = unit.text(samples.median)
    guard let interval = samples.ci95 else { return median + " [too few steps]" }
    return "\(median) [\(unit.text(interval[0])), \(unit.text(interval[1]))]"
  }

  private static func ratio(_ ratio: CaseRecord.Ratio?) -> String {
    guard let ratio else { return "1" }
    let median = Quantity.fixed(ratio.median, 3)
    guard let interval = ratio.ci95 else { return median }
    if ratio.differs == false { return "no difference" }
    return "\(median) [\(Quantity.fixed(interval[0], 3)), \(Quantity.fixed(interval[1], 3))]"
  }
}
