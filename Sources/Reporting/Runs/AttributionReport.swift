// SPDX-License-Identifier: Apache-2.0
// epsim: who waited for whom, how efficient the step was, and whether to believe it.

/// The attribution of one case as text.
struct AttributionReport {
  private let entry: CaseRecord
  private let hosts: [String]
  private let unit: Quantity.TimeUnit
  /// Late ranks that are listed.
  private static let listed = 5

  init(_ entry: CaseRecord, hosts: [String], unit: Quantity.TimeUnit) {
    self.entry = entry
    self.hosts = hosts
    self.unit = unit
  }

  /// What each rank did.
  var rankTable: String {
    var table = TextTable([
      ("per rank\n\(unit.name)", .left), ("expert", .right), ("pack", .right),
      ("dispatch\nwait", .right), ("\ntransfer", .right), ("combine\nwait", .right),
      ("\ntransfer", .right), ("own rows\ncopied", .right), ("rows\nper step", .right),
      ("host", .left),
    ])
    for (rank, time) in entry.ranks.enumerated() {
      let (dispatch, combine) = (time.dispatchUs, time.combineUs)
      table.add([
        "\(rank)", unit.text(time.expertUs), unit.text(time.packUs),
        dispatch.text(\.wait, unit), dispatch.text(\.transfer, unit),
        combine.text(\.wait, unit), combine.text(\.transfer, unit),
        unit.text(dispatch.selfCopy + combine.selfCopy),
        Quantity.grouped(Int(time.rows.rounded())), hosts[rank],
      ])
    }
    return table.text
  }

  /// The ranks that others waited for, and why they were late; empty where nobody waited.
  var blameTable: String {
    let late = entry.blame.lateRanks
    guard !late.isEmpty else { return "" }
    var table = TextTable([
      ("late rank\n\(unit.name)", .left), ("waited for it\nall ranks", .right),
      ("\nmost by", .right), ("exchanges\nper step", .right), ("late by\nexpert", .right),
      ("\npacking", .right), ("\nearlier", .right),
    ])
    for rank in late.prefix(Self.listed) {
      table.add([
        "\(rank.rank)", unit.text(rank.waitedUs), "rank \(rank.mostBy)",
        Quantity.fixed(rank.cause.exchanges, 1), unit.text(rank.cause.expertUs),
        unit.text(rank.cause.packingUs), unit.text(rank.cause.earlierUs),
      ])
    }
    let others = late.count - Self.listed
    return table.text + (others > 0 ? "\nand \(others) more, in the record" : "")
  }

  var efficiencyLine: String {
    let efficiency = entry.efficiency
    return "parallel efficiency \(Quantity.percent(efficiency.parallel)) = load balance "
      + "\(Quantity.percent(efficiency.loadBalance)) x communication "
      + Quantity.percent(efficiency.communication)
  }

  /// The self-tests of the measurement.
  var checkLine: String {
    let checks = entry.checks
    var parts = [
      "phases and layers agree to \(Quantity.significant(checks.largestGapUs)) us",
      "taking stamps costs \(Quantity.percent(checks.recordingShare)) of the step",
    ]
    if checks.causalityChecks > 0 {
      parts.append(
        "\(checks.causalityViolations) of \(Quantity.grouped(checks.causalityChecks)) dispatches "
          + "left before the other entered")
    }
    if entry.timing == "barrier" {
      parts.append(
        "ranks left barriers \(Quantity.significant(checks.barrierExitSkewUs)) us apart")
    }
    return Paragraph("checks: " + parts.joined(separator: "; "), indent: 2).text
  }
}
