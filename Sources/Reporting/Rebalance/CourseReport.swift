// SPDX-License-Identifier: Apache-2.0
// epsim: what `epsim rebalance --policy` prints.

internal import Timing

/// Policies side by side, and how load, moves and step time went.
public struct CourseReport {
  private let record: CourseRecord
  /// Lines of the course at most; steps beyond are put together.
  private static let lineCount = 24

  public init(_ record: CourseRecord) { self.record = record }

  public var text: String { setting + "\n\n" + body }

  /// What was run, on what.
  var setting: String {
    let machine = record.machine
    return [
      RecordHeading.text(record.model), RecordHeading.text(record.workload),
      RecordHeading.text(
        ranks: machine.ranks, nodes: machine.nodes, cores: machine.cores,
        backend: machine.backend, isa: machine.isa, threads: machine.threads, mpi: machine.mpi),
    ].map { Paragraph($0, indent: 2).text }.joined(separator: "\n")
  }

  /// What came of it.
  var body: String {
    let heading =
      "From \(record.from), then \(record.to) fitted to the steps before each move"
      + (record.functionalOnly
        ? "\nFUNCTIONAL ONLY, NOT A TIMING: more ranks (times threads) than cores" : "")
    return ([heading, policyTable] + record.policies.map(course) + [losses, verdict])
      .filter { !$0.isEmpty }.joined(separator: "\n\n")
  }

  private var unit: Quantity.TimeUnit {
    Quantity.TimeUnit(fitting: record.policies.map(\.medianStepUs).max() ?? 0)
  }

  private var policyTable: String {
    let unit = unit
    let total = Quantity.TimeUnit(fitting: record.policies.map(\.totalUs).max() ?? 0)
    var table = TextTable([
      ("policy", .left), ("step \(unit.name)\nmedian", .right), ("load\nmax/mean", .right),
      ("moves", .right), ("refused", .right), ("experts\nmoved", .right), ("bytes\nmoved", .right),
      ("moving\n\(total.name)", .right), ("steps, moves\n\(total.name)", .right),
      ("of the\nfirst", .right),
    ])
    for policy in record.policies {
      table.add([
        Self.words(policy.policy), unit.text(policy.medianStepUs),
        Quantity.fixed(policy.maxOverMean, 3), "\(policy.moves)", "\(policy.refused)",
        "\(policy.movedExperts)", Quantity.bytes(Double(policy.bytes)),
        total.text(policy.moveTimeUs), total.text(policy.totalUs),
        Quantity.fixed(policy.totalUs / record.policies[0].totalUs, 3),
      ])
    }
    return table.text
  }

  /// A policy in words, in lines that leave a table its width.
  static func words(_ policy: String) -> String {
    TextTable.wrapped(policy.split(separator: ":").joined(separator: " "), width: 16)
  }

  /// Steps in lines, a bar for the load above the mean.
  private func course(_ policy: CourseRecord.Policy) -> String {
    let unit = unit
    let width = (policy.steps.count + Self.lineCount - 1) / Self.lineCount
    let most = record.policies.flatMap(\.steps).map(\.maxOverMean).max() ?? 1
    var table = TextTable([
      ("steps", .right), ("load\nmax/mean", .right), ("", .left),
      ("step \(unit.name)\nmean", .right), ("experts\nmoved", .right),
      ("moving\n\(unit.name)", .right),
    ])
    for start in stride(from: 0, to: policy.steps.count, by: width) {
      let steps = policy.steps[start..<min(start + width, policy.steps.count)]
      let load = steps.reduce(0) { $0 + $1.maxOverMean } / Double(steps.count)
      let time = steps.reduce(0) { $0 + $1.timeUs } / Double(steps.count)
      let moves = steps.compactMap(\.move)
      let bar = most > 1 ? Int(((load - 1) / (most - 1) * 30).rounded()) : 0
      table.add([
        width == 1 ? "\(start)" : "\(start)-\(start + steps.count - 1)", Quantity.fixed(load, 3),
        String(repeating: "#", count: max(0, bar)), unit.text(time),
        moves.isEmpty ? "" : "\(moves.reduce(0) { $0 + $1.movedExperts })",
        moves.isEmpty ? "" : unit.text(moves.reduce(0) { $0 + $1.timeUs }),
      ])
    }
    return "\(policy.policy)\n\n" + table.text
  }

  /// What a lost shard cost, under every policy.
  private var losses: String {
    record.policies.compactMap { policy -> String? in
      guard let index = policy.steps.firstIndex(where: { $0.move?.cause == "loss" }) else {
        return nil
      }
      let loss = policy.steps[index].move!
      let restored = policy.steps.firstIndex { $0.move?.cause == "restore" }
      let time = Quantity.TimeUnit(fitting: loss.timeUs).withUnit(loss.timeUs)
      var text =
        "\(policy.policy): before step \(index) a rank lost \(loss.lostExperts) experts; replicas "
        + "took over but for \(loss.recreatedExperts), made anew on other ranks in \(time)."
      if let restored, let move = policy.steps[restored].move {
        text +=
          " Restored \(restored - index) steps later: \(move.movedExperts) experts, "
          + "\(Quantity.bytes(Double(move.bytes))), in "
          + "\(Quantity.TimeUnit(fitting: move.timeUs).withUnit(move.timeUs))."
      } else {
        text += " The run ended before the rank got experts again."
      }
      return Paragraph(text, indent: 2).text
    }.joined(separator: "\n")
  }

  /// Which policies pay: their steps are faster beyond the interval, by more than moving took.
  private var verdict: String {
    guard let first = record.policies.first, record.policies.count > 1 else { return "" }
    let sentences = record.policies.dropFirst().map { policy in
      let ratio = policy.ratioToFirst
      let shown =
        (ratio.map { Quantity.fixed($0.ratio.median, 3) } ?? "-")
        + (ratio?.ratio.interval.map {
          " [\(Quantity.fixed($0.lowerBound, 3)), \(Quantity.fixed($0.upperBound, 3))]"
        } ?? " [too few steps]")
      let steps = "a step takes \(shown) times that of \(first.policy)"
      guard ratio?.differs == true, ratio!.ratio.median < 1 else {
        return "\(policy.policy): do not rebalance so, \(steps)"
          + (ratio?.differs == true ? "." : ", which is no difference.")
      }
      let saved = 1 - policy.totalUs / first.totalUs
      return saved > 0
        ? "\(policy.policy): it pays, \(steps), and all steps with all moves take "
          + "\(Quantity.percent(saved)) less."
        : "\(policy.policy): do not rebalance so, \(steps), but moving took more than that saved."
    }
    let remark =
      "Every policy computes the same output to the last bit. "
      + (record.interleaved
        ? "Each step ran under all of them, in shuffled order on the same tokens."
        : "Memory holds one at a time, so they ran one after the other on the same tokens: a "
          + "difference holds the machine's own changes too.")
    return (sentences + [remark]).map { Paragraph($0, indent: 2).text }.joined(separator: "\n")
  }
}
