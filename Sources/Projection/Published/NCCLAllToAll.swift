// SPDX-License-Identifier: Apache-2.0
// epsim: NCCL's all-to-all inside a node, predicted by segments of the message size.

internal import CostModel
internal import MoE

/// T = (n - 1) (a_i + m / B_i) for messages of m bytes to each of n - 1 others, by segments.
enum NCCLAllToAll {
  /// A machine, a version of NCCL and a number of GPUs: one curve.
  private struct Setup: Hashable, Comparable {
    var system: String
    var version: String
    var gpus: Int

    static func < (left: Self, right: Self) -> Bool {
      (left.system, left.version, left.gpus) < (right.system, right.version, right.gpus)
    }
  }

  /// NVLink of a GPU, one direction (datasheets).
  static let lineRates = [
    "a100_sxm": BytesPerSecond.gigabytes(300), "h100_sxm": .gigabytes(450),
  ]
  /// A row that takes this much longer than one with more bytes was disturbed.
  static let disturbance = 1.1

  static func comparisons(_ table: PublishedTable) throws -> [PublishedComparison] {
    let curves = try curves(table)
    return [
      try sizes(curves, source: table.name), try versions(curves, source: table.name),
    ]
  }

  /// Rows of each setup, ascending in size.
  private static func curves(_ table: PublishedTable) throws -> [Setup: [LinkFit.Row]] {
    var rows: [Setup: [LinkFit.Row]] = [:]
    for row in 0..<table.rowCount where try table.text(row, "op") == "alltoall" {
      let gpus = try table.count(row, "num_gpus", accepted: 2...4096)
      let setup = Setup(
        system: try table.text(row, "system"), version: try table.text(row, "nccl_version"),
        gpus: gpus)
      let elements = try table.number(row, "message_size_elems_half", accepted: 1...1e12)
      let ms = try table.number(row, "latency_ms_min", accepted: 1e-6...1e6)
      rows[setup, default: []].append(
        LinkFit.Row(
          size: Bytes(2 * elements / Double(gpus)), messages: Double(gpus - 1),
          time: .microseconds(1e3 * ms)))
    }
    return rows.mapValues { rows in rows.sorted { $0.size < $1.size } }
  }

  /// [rows] whether each took over a tenth longer than one with more bytes, of rows that ascend.
  private static func disturbed(_ rows: [LinkFit.Row]) -> [Bool] {
    var least = Seconds.infinity
    let flags = rows.reversed().map { row in
      least = min(least, row.time)
      return row.time > disturbance * least
    }
    return flags.reversed()
  }

  /// Pieces through the undisturbed of some rows; no interval is needed, so it is no ``LinkFit``.
  private static func fit(
    _ rows: [LinkFit.Row], _ setup: Setup, _ source: String
  ) throws -> LinkParameters {
    let rows = zip(rows, disturbed(rows)).filter { !$0.1 }.map(\.0)
    guard (1...SegmentFit.maximumSizes).contains(Set(rows.map(\.size)).count) else {
      throw InputError(
        "\(source): \(rows.count) rows of \(setup.gpus) GPUs with NCCL \(setup.version) to fit, "
          + "needed are 1 to \(SegmentFit.maximumSizes) sizes")
    }
    let lineRate = lineRates[setup.system] ?? .infinity
    return SegmentFit(rows, leastPerByte: 1 / lineRate.value, minimumSizes: 2).parameters
  }

  private static func row(
    _ row: LinkFit.Row, _ setup: Setup, _ link: LinkParameters, isDisturbed: Bool
  ) -> PublishedComparison.Row {
    let bytes = Bytes(row.size.value * Double(setup.gpus))
    return .init(
      "\(setup.system), NCCL \(setup.version), \(setup.gpus) GPUs, \(Int(bytes.value)) B",
      published: row.time.microseconds,
      predicted: link.time(
        messages: row.messages, bytes: row.size * row.messages
      ).microseconds,
      role: isDisturbed ? .disturbed : .judged)
  }

  /// Every second size predicts the others, on every machine, version and number of GPUs.
  private static func sizes(
    _ curves: [Setup: [LinkFit.Row]], source: String
  ) throws -> PublishedComparison {
    var rows: [PublishedComparison.Row] = []
    for (setup, measured) in curves.sorted(by: { $0.key < $1.key }) {
      let links = try [0, 1].map { half in
        try fit(measured.indices.filter { $0 % 2 == half }.map { measured[$0] }, setup, source)
      }
      let disturbed = disturbed(measured)
      rows += measured.indices.map {
        row(measured[$0], setup, links[1 - $0 % 2], isDisturbed: disturbed[$0])
      }
    }
    return PublishedComparison(
      title: "NCCL all-to-all in a node, sizes", source: source, unit: "us",
      model: "(n - 1) (latency + bytes of a message / bandwidth), both by segments of the size",
      split: "two halves by size (every second one), each predicted by a fit to the other; "
        + "disturbed are rows that take over a tenth longer than one with more bytes",
      bound: 0.06, parameters: [], rows: rows)
  }

  /// One version of NCCL predicts another on the same machine.
  private static func versions(
    _ curves: [Setup: [LinkFit.Row]], source: String
  ) throws -> PublishedComparison {
    var rows: [PublishedComparison.Row] = []
    for (setup, measured) in curves.sorted(by: { $0.key < $1.key })
    where setup.system == "h100_sxm" && setup.version == "2.27.3" {
      var fitted = setup
      fitted.version = "2.29.2"
      guard let known = curves[fitted] else { continue }
      let link = try fit(known, fitted, source)
      // Nothing is left out: these are the rows with two samples each.
      rows += measured.map { row($0, setup, link, isDisturbed: false) }
    }
    return PublishedComparison(
      title: "NCCL all-to-all in a node, versions", source: source, unit: "us",
      model: "(n - 1) (latency + bytes of a message / bandwidth), both by segments of the size",
      split: "H100: fitted to NCCL 2.29.2, judged on all rows of 2.27.3",
      bound: 0.06, parameters: [], rows: rows)
  }
}
