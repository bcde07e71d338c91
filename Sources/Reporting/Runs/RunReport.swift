// SPDX-License-Identifier: Apache-2.0
// epsim: what `epsim run` prints.

internal import Placement
internal import Timing

/// One case as text: its phases, its exchanges, its load.
public struct RunReport {
  private let record: RunRecord
  private let entry: CaseRecord

  /// - Precondition: the record has a case.
  public init(_ record: RunRecord) {
    self.record = record
    entry = record.cases[0]
  }

  public var text: String {
    let unit = Quantity.TimeUnit(fitting: entry.stepUs.median)
    let attribution = AttributionReport(entry, hosts: record.environment.hosts, unit: unit)
    return [
      RecordHeading(record).text, options,
      "step \(CompareReport.step(entry.stepUs, unit)) \(unit.name), median with 95 % interval"
        + percentiles(unit) + "\nof it " + shares + "\n" + attribution.efficiencyLine,
      phaseTable(unit), layerTable(unit), attribution.rankTable, attribution.blameTable,
      CapacityTable(entry.capacityUse.map { [(capacityName, $0)] } ?? []).text,
      ChoiceTable([entry]).text, BalanceTable(entry.balance ?? []).text,
      LaunchSpread(record, unit).text, figures + "\n" + attribution.checkLine,
      record.placementChoiceText, record.predictionText,
    ].filter { !$0.isEmpty }.joined(separator: "\n\n")
  }

  private var options: String {
    var words = [
      "placement \(entry.placement)", "replica choice \(entry.replicaChoice)",
      "top-\(entry.topK)", exchange,
    ]
    switch entry.compute {
    case "emulated":
      let rate = Quantity.significant((entry.expertRate ?? 0) / 1e9)
      words.append("experts sleep as long as \(rate) GFLOP/s take")
    case "none": words.append("no expert compute")
    default: break
    }
    if let policy = entry.dropPolicy, let scope = entry.capacityScope {
      words.append("capacity \(entry.capacity), drops by \(policy) in the \(scope) batch")
    }
    if let rate = entry.biasUpdate {
      words.append("selection bias moves by \(rate) after every step")
    }
    if entry.timing == "barrier" { words.append("waiting told by barriers") }
    if let delay = entry.delay { words.append("delay \(delay) us") }
    if let slow = entry.slow { words.append("slow \(slow)") }
    if entry.jitterUs > 0 { words.append("jitter \(Quantity.significant(entry.jitterUs)) us") }
    return Paragraph(words.joined(separator: ", "), indent: 2).text
  }

  /// How rows travel; what is at rest is left out.
  private var exchange: String {
    var words = [
      entry.dedup == "none" ? "no dedup" : "dedup \(entry.dedup)",
      entry.transport == "auto" ? "transport auto" : entry.transport,
      "wire \(entry.wire)", "combine \(entry.combine) in \(entry.combineWire)",
    ]
    if entry.chunks != 1 { words.append("\(entry.chunks.map(String.init) ?? "auto") chunks") }
    return words.joined(separator: ", ")
  }

  private var capacityName: String {
    [entry.capacity, entry.dropPolicy ?? "", entry.capacityScope ?? ""].joined(separator: " ")
  }

  private func percentiles(_ unit: Quantity.TimeUnit) -> String {
    [("p95", entry.stepUs.p95), ("p99", entry.stepUs.p99)].compactMap { name, value in
      value.map { ", \(name) \(unit.text($0))" }
    }.joined()
  }

  private var shares: String {
    let shares = entry.shares
    return [
      ("expert", shares.expert), ("transfer", shares.transfer), ("wait", shares.wait),
      ("rest", shares.rest),
    ].map { "\($0.0) \(Quantity.percent($0.1))" }.joined(separator: ", ")
  }

  private func phaseTable(_ unit: Quantity.TimeUnit) -> String {
    var table = TextTable([
      ("phase", .left), ("max \(unit.name)", .right), ("mean \(unit.name)", .right),
      ("wait", .right), ("transfer", .right), ("of step", .right),
    ])
    for name in Phase.allCases.map(\.name) + ["other"] {
      guard let time = entry.phasesUs[name] else { continue }
      let exchange =
        name == "dispatch" ? entry.dispatchUs : name == "combine" ? entry.combineUs : nil
      table.add([
        name, unit.text(time.max), unit.text(time.mean),
        exchange?.text(\.wait, unit) ?? "", exchange?.text(\.transfer, unit) ?? "",
        Quantity.percent(time.mean / entry.stepUs.median),
      ])
    }
    return table.text
  }

  private func layerTable(_ unit: Quantity.TimeUnit) -> String {
    var table = TextTable([
      ("per layer", .left), ("layer \(unit.name)\nmax over ranks", .right), ("expert\nmax", .right),
      ("expert\nmean", .right), ("load\nmax/mean", .right),
    ])
    for layer in entry.layers {
      table.add([
        "\(layer.layer)", unit.text(layer.layerUs), unit.text(layer.expertMaxUs),
        unit.text(layer.expertMeanUs), Quantity.fixed(layer.loadMaxOverMean, 3),
      ])
    }
    return table.text
  }

  private var figures: String {
    var lines = [
      "load max/mean \(Quantity.fixed(entry.load.maxOverMean, 3)), fan-out "
        + "\(Quantity.fixed(entry.fanOut.ranks, 2)) ranks\nbytes per step: logical "
        + "\(Quantity.bytes(entry.bytes.logical.both)), off-rank "
        + "\(Quantity.bytes(entry.bytes.offRank.both)), off-node "
        + "\(Quantity.bytes(entry.bytes.offNode.both)); "
        + "\(Quantity.bytes(entry.wireBytes.offRank.both)) in "
        + "\(Quantity.fixed(entry.messages.both, 0)) messages\nGB/s of both exchanges: logical "
        + "\(Quantity.significant(entry.bandwidth.logical)), off-rank "
        + "\(Quantity.significant(entry.bandwidth.offRank)), off-node "
        + "\(Quantity.significant(entry.bandwidth.offNode))",
      "output digest \(entry.outputDigest)",
    ]
    if entry.biasUpdate != nil, let first = entry.expertMaxOverMean.first {
      lines.append(
        "busiest expert / mean: \(Quantity.fixed(first, 3)) in the first measured step, "
          + "\(Quantity.fixed(entry.expertMaxOverMean.last ?? first, 3)) in the last")
    }
    if let error = entry.referenceError {
      lines.append(
        "reference error \(Quantity.scientific(error)) "
          + "(\(entry.referenceTokens ?? 0) tokens per layer compared)")
    }
    return lines.joined(separator: "\n")
  }
}
