// SPDX-License-Identifier: Apache-2.0
// epsim: what each way of an exchange moves, how fast, and how exactly.

internal import CostModel

/// Two tables of cases that exchange their rows in different ways: what travels, and how long it
/// takes. Empty where all cases exchange alike.
struct ExchangeTable {
  private let cases: [CaseRecord]
  private let unit: Quantity.TimeUnit

  init(_ cases: [CaseRecord], unit: Quantity.TimeUnit) {
    self.cases = cases
    self.unit = unit
  }

  var text: String {
    guard Set(cases.map(\.exchangeWords)).count > 1 else { return "" }
    return [volumes, times, remark].filter { !$0.isEmpty }.joined(separator: "\n\n")
  }

  /// Per step over all ranks, both ways together.
  private var volumes: String {
    var table = TextTable([
      ("exchange", .left), ("rows\noff-rank", .right), ("\noff-node", .right),
      ("bytes\nlogical", .right), ("\noff-rank", .right), ("on the wire\noff-rank", .right),
      ("\noff-node", .right), ("\nmessages", .right),
    ])
    for entry in cases {
      table.add([
        TextTable.wrapped(entry.name), Quantity.fixed(entry.copies.travelled.both, 0),
        Quantity.fixed(entry.copies.travelledOffNode.both, 0),
        Quantity.bytes(entry.bytes.logical.both), Quantity.bytes(entry.bytes.offRank.both),
        Quantity.bytes(entry.wireBytes.offRank.both), Quantity.bytes(entry.wireBytes.offNode.both),
        Quantity.fixed(entry.messages.both, 0),
      ])
    }
    return table.text
  }

  /// Means over ranks of all that an exchange asks for, and of the reference error where there is
  /// one.
  private var times: String {
    let isChecked = cases.contains { $0.referenceError != nil }
    var table = TextTable(
      [
        ("exchange, \(unit.name)", .left), ("pack,\ndispatch,\ngroup", .right),
        ("ungroup,\ncombine,\nreduce", .right), ("\nboth", .right), ("GB/s\nlogical", .right),
        ("\noff-rank", .right), ("\noff-node", .right),
      ] + (isChecked ? [("reference\nerror", .right)] : []))
    for entry in cases {
      let (out, back) = (
        entry.meanTime(of: ["pack", "dispatch", "group"]),
        entry.meanTime(of: ["ungroup", "combine", "reduce"])
      )
      table.add(
        [
          TextTable.wrapped(entry.name), unit.text(out), unit.text(back), unit.text(out + back),
          Quantity.significant(entry.bandwidth.logical),
          Quantity.significant(entry.bandwidth.offRank),
          Quantity.significant(entry.bandwidth.offNode),
        ] + (isChecked ? [entry.referenceError.map { Quantity.scientific($0) } ?? ""] : []))
    }
    return table.text
  }

  /// Why outputs differ.
  var remark: String {
    let tolerant = cases.filter(\.isTolerance).map(\.name)
    var sentences: [String] = []
    if !tolerant.isEmpty {
      sentences.append(
        "Sums in another order, so the last bits of the output may differ: "
          + tolerant.joined(separator: ", ") + ".")
    }
    if Set(cases.map { [$0.wire, $0.combineWire] }).count > 1 {
      sentences.append("Each wire rounds rows in its own way.")
    }
    if !sentences.isEmpty,
      cases.allSatisfy({ $0.referenceError == nil && $0.compute == "real" })
    {
      sentences.append("--check prints the error of each case.")
    }
    return Paragraph(sentences.joined(separator: " "), indent: 2).text
  }
}

extension CaseRecord {
  /// How its rows travel.
  fileprivate var exchangeWords: [String] {
    blockWords + [chunks.map(String.init) ?? "auto", poll ?? ""]
  }

  private var blockWords: [String] { [dedup, transport, wire, combine, combineWire] }

  /// Everything else that makes a case.
  private var otherWords: [String?] {
    [
      placement, replicaChoice, "\(topK)", capacity, dropPolicy, capacityScope,
      biasUpdate.map { "\($0)" }, compute, expertRate.map { "\($0)" }, timing, delay, slow,
      "\(jitterUs)",
    ]
  }

  /// Whether another case is this one in one chunk, on the same steps.
  func isChunked(_ other: CaseRecord) -> Bool {
    (chunks ?? 1) > 1 && other.chunks == 1 && block == other.block && blockWords == other.blockWords
      && otherWords == other.otherWords
  }

  /// Whether another case differs in how its rows travel and in nothing else.
  func differsInExchangeOnly(from other: CaseRecord) -> Bool {
    exchangeWords != other.exchangeWords && otherWords == other.otherWords
  }

  /// Whether the output may differ in the last bits from that of the exact class.
  var isTolerance: Bool {
    combine == CombineRule.preReduced.rawValue || transport == Transport.allGather.rawValue
  }

  /// Phases together, mean over ranks, microseconds.
  fileprivate func meanTime(of phases: [String]) -> Double {
    phases.reduce(0) { $0 + (phasesUs[$1]?.mean ?? 0) }
  }
}
