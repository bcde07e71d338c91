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

  private struct Point {
    var row: LinkFit.Row
    var isDisturbed: Bool
  }

  /// Rows of each setup, ascending in size.
  private static func curves(_ table: PublishedTable) throws -> [Setup: [Point]] {
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
    return rows.mapValues { rows in
      let sorted = rows.sorted { $0.size < $1.size }
      var least = Seconds.infinity
      var points: [Point] = []
      for row in sorted.reversed() {
        least = min(least, row.time)
        points.append(Point(row: row, isDisturbed: row.time > disturbance * least))
      }
      return points.reversed()
    }
  }

  /// Pieces through the undisturbed points; no interval is needed, so it is no ``LinkFit``.
  private static func fit(
    _ points: [Point], _ setup: Setup, _ source: String
  ) throws -> LinkParameters {
    let rows = points.filter { !$0.isDisturbed }.map(\.row)
    guard (1...SegmentFit.maximumSizes).contains(Set(rows.map(\.size)).count) else {
      throw InputError(
        "\(source): \(rows.count) rows of \(setup.gpus) GPUs with NCCL \(setup.version) to fit, "
          + "needed are 1 to \(SegmentFit.maximumSizes) sizes")
    }
    let lineRate = lineRates[setup.system] ?? .infinity
    return SegmentFit(rows, leastPerByte: 1 / lineRate.value, minimumSizes: 2).parameters
  }

  private static func row(
    _ point: Point, _ setup: Setup, _ link: LinkParameters
  ) -> PublishedComparison.Row {
    let row = point.row
    let bytes = Bytes(row.size.value * Double(setup.gpus))
    return .init(
      "\(setup.system), NCCL \(setup.version), \(setup.gpus) GPUs, \(Int(bytes.value)) B",
      published: row.time.microseconds,
      predicted: link.time(
        messages: row.messages, bytes: row.size * row.messages
      ).microseconds,
      role: point.isDisturbed ? .disturbed : .judged)
  }

  /// Every second size predicts the others, on every machine, version and number of GPUs.
  private static func sizes(
    _ curves: [Setup: [Point]], source: String
  ) throws -> PublishedComparison {
    var rows: [PublishedComparison.Row] = []
    for (setup, points) in curves.sorted(by: { $0.key < $1.key }) {
      let halves = [0, 1].map { half in points.indices.filter { $0 % 2 == half } }
      let links = try halves.map { half in try fit(half.map { points[$0] }, setup, source) }
      rows += points.indices.map { row(points[$0], setup, links[1 - $0 % 2]) }
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
    _ curves: [Setup: [Point]], source: String
  ) throws -> PublishedComparison {
    var rows: [PublishedComparison.Row] = []
    for (setup, points) in curves.sorted(by: { $0.key < $1.key })
    where setup.system == "h100_sxm" && setup.version == "2.27.3" {
      var fitted = setup
      fitted.version = "2.29.2"
      guard let known = curves[fitted] else { continue }
      let link = try fit(known, fitted, source)
      // Nothing is left out: these are the rows with two samples each.
      rows += points.map {
        row(Point(row: $0.row, isDisturbed: false), setup, link)
      }
    }
    return PublishedComparison(
      title: "NCCL all-to-all in a node, versions", source: source, unit: "us",
      model: "(n - 1) (latency + bytes of a message / bandwidth), both by segments of the size",
      split: "H100: fitted to NCCL 2.29.2, judged on all rows of 2.27.3",
      bound: 0.06, parameters: [], rows: rows)
  }
}
