// SPDX-License-Identifier: Apache-2.0
// epsim: the low-latency kernels of DeepEP, predicted.

internal import Foundation
internal import MoE

/// T = a0 + a1 f(N) + smooth maximum of (bytes inside the node / NVLink, bytes between / card).
///
/// One message per assignment, uniform routing: of S bytes that a GPU sends, S (1 - 1/N) leave the
/// node and S 7/(8 N) go to other GPUs of it.
enum DeepEPLowLatency {
  /// f(N), what more nodes cost beyond their bytes.
  enum NodeTerm: String, CaseIterable {
    case none = "nothing"
    case share = "1 - 1/N"
    case logarithm = "log2 N"

    func value(_ nodes: Int) -> Double {
      switch self {
      case .none: 0
      case .share: 1 - 1 / Double(nodes)
      case .logarithm: log2(Double(nodes))
      }
    }
  }

  /// Per direction, of an H100 SXM: NVLink, and a ConnectX-7 card of 400 Gb/s (datasheets).
  static let lineRates = [450e9, 50e9]
  /// NVLink of an H800, 400 GB/s both directions together (InferSim's `gpu.py`).
  static let lineRateH800 = 200e9

  static func comparisons(
    measured: PublishedTable, readme: PublishedTable
  ) throws -> [PublishedComparison] {
    let nodes = try DeepEPWay.allCases.map { try twoNodes($0, measured) }
    let groups = try DeepEPWay.allCases.map { try manyNodes($0, measured, readme) }
    return nodes + groups
  }

  private static func row(
    _ way: DeepEPWay, _ term: NodeTerm, nodes: Int, tokens: Int, microseconds: Double
  ) -> BottleneckModel.Row {
    let bytes = Double(tokens * DeepEPWay.topK) * way.messageBytes
    let gpus = Double(DeepEPWay.gpusPerNode)
    return BottleneckModel.Row(
      sums: [1, term.value(nodes)],
      limits: [bytes * (gpus - 1) / (gpus * Double(nodes)), bytes * (1 - 1 / Double(nodes))],
      value: microseconds * 1e-6)
  }

  private static let acceptedMicroseconds = 1e-3...1e9

  /// Rows of one and two H100 nodes; fitted are those of a power of 4 tokens with 256 experts.
  private static func rows(
    _ way: DeepEPWay, _ table: PublishedTable, _ term: NodeTerm
  ) throws -> [(label: String, row: BottleneckModel.Row, isFitted: Bool)] {
    try DeepEPRow.rows(of: table).map { entry in
      let us = try table.number(
        entry.index, "\(way.rawValue)_us", accepted: acceptedMicroseconds)
      let isPowerOfFour =
        entry.tokens.nonzeroBitCount == 1
        && entry.tokens.trailingZeroBitCount.isMultiple(of: 2)
      return (
        "\(entry.nodes) x 8, \(entry.tokens) tokens, \(entry.experts) experts",
        row(way, term, nodes: entry.nodes, tokens: entry.tokens, microseconds: us),
        isPowerOfFour && entry.experts == DeepEPWay.experts
      )
    }
  }

  private static func fit(
    _ way: DeepEPWay, _ table: PublishedTable, _ term: NodeTerm
  ) throws -> BottleneckModel {
    let rows = try rows(way, table, term).filter(\.isFitted).map(\.row)
    guard rows.contains(where: { $0.limits[1] > 0 }) else {
      throw InputError(
        "\(table.name): there are no rows of version \(DeepEPRow.version) on two nodes with 4, 16, "
          + "64 or 256 tokens, needed is one at least")
    }
    return BottleneckModel.fit(rows, leastLimits: lineRates.map { 1 / $0 })
  }

  private static func twoNodes(
    _ way: DeepEPWay, _ table: PublishedTable
  ) throws -> PublishedComparison {
    let model = try fit(way, table, .share)
    return PublishedComparison(
      title: "DeepEP low latency, \(way.rawValue), H100, 1 and 2 nodes", source: table.name,
      unit: "us", model: "a0 + a1 (1 - 1/N) + smooth maximum of bytes / NVLink and bytes / card",
      split: "fitted to 256 experts with 1, 4, 16, 64, 256, 1024 tokens, judged on the others",
      bound: way == .dispatch ? 0.05 : 0.08, parameters: parameters(model),
      rows: try rows(way, table, .share).map {
        .init(
          $0.label, published: $0.row.value * 1e6, predicted: model.prediction($0.row) * 1e6,
          role: $0.isFitted ? .fitted : .judged)
      })
  }

  private static func parameters(_ model: BottleneckModel) -> [PublishedComparison.Parameter] {
    [
      .init("a0", model.sums[0] * 1e6, "us"), .init("a1", model.sums[1] * 1e6, "us"),
      .init("NVLink", 1e-9 / model.limits[0], "GB/s"),
      .init("card", 1e-9 / model.limits[1], "GB/s"),
    ]
  }

  /// 8 to 64 GPUs of H800 nodes by what one and two H100 nodes say about nodes and cards.
  ///
  /// The kernels are of another time and NVLink is narrower: a0 and NVLink are those of 8 and 16
  /// GPUs. The node term is decided here, on rows that no fit has seen.
  private static func manyNodes(
    _ way: DeepEPWay, _ measured: PublishedTable, _ readme: PublishedTable
  ) throws -> PublishedComparison {
    let entries = try ReadmeRow.rows(of: readme).compactMap { entry in
      entry.isLowLatency ? entry.microseconds(way).map { (entry: entry, us: $0) } : nil
    }
    guard Set(entries.map(\.entry.nodes)).isSuperset(of: [1, 2]) else {
      throw InputError(
        "\(readme.name): low_latency rows with 8 and 16 GPUs are missing, their times are needed")
    }
    func predicted(_ term: NodeTerm) throws -> (BottleneckModel, [PublishedComparison.Row]) {
      var model = try fit(way, measured, term)
      let rows = entries.map {
        row(way, term, nodes: $0.entry.nodes, tokens: $0.entry.tokens, microseconds: $0.us)
      }
      let nodeCost = model.sums[1]
      let own = zip(entries, rows).filter { $0.0.entry.nodes <= 2 }.map { _, row in
        BottleneckModel.Row(
          sums: [1], limits: row.limits,
          value: max(row.value - nodeCost * row.sums[1], row.value / 100))
      }
      let fitted = BottleneckModel.fit(
        own, leastLimits: [1 / lineRateH800, 0], known: [1: model.limits[1]])
      model = BottleneckModel(sums: [fitted.sums[0], nodeCost], limits: fitted.limits)
      return (
        model,
        zip(entries, rows).map { entry, row in
          .init(
            "\(entry.entry.gpus) GPUs, \(entry.entry.tokens) tokens", published: entry.us,
            predicted: model.prediction(row) * 1e6,
            role: entry.entry.nodes <= 2 ? .fitted : .judged)
        }
      )
    }
    let (model, rows) = try predicted(.share)
    var comparison = PublishedComparison(
      title: "DeepEP low latency, \(way.rawValue), H800, 8 to 64 GPUs", source: readme.name,
      unit: "us", model: "a0 + a1 (1 - 1/N) + smooth maximum of bytes / NVLink and bytes / card",
      split: "a1 and card from one and two H100 nodes, a0 and NVLink from 8 and 16 GPUs, judged on "
        + "32 and 64",
      bound: way == .dispatch ? 0.05 : 0.08, parameters: parameters(model), rows: rows)
    for term in NodeTerm.allCases where term != .share {
      let other = FitVerdict(
        errors: try predicted(term).1.filter { $0.role == .judged }.map(\.error), bound: 1)
      comparison.parameters.append(
        .init(
          "mean error with \(term.rawValue) for 1 - 1/N", 100 * other.meanAbsoluteError, "%"))
    }
    return comparison
  }
}
