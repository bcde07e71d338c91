// SPDX-License-Identifier: Apache-2.0
// epsim: what DeepEP moves, from its own benchmarks.

/// One way of an exchange of DeepEP's kernels on nodes of 8 GPUs.
enum DeepEPWay: String, CaseIterable {
  case dispatch, combine

  /// GPUs of a node, each with its own card.
  static let gpusPerNode = 8
  /// H = 7168 and top-8 of 256 experts, of every table that is used.
  static let (hidden, topK, experts) = (7168.0, 8, 256)

  /// Bytes of a row of the normal kernels: FP8 with a Float scale per 128 values, or BF16.
  var rowBytes: Double {
    self == .dispatch ? Self.hidden * (1 + 4.0 / 128) : Self.hidden * 2
  }

  /// Bytes of a message of the low-latency kernels: a row, for dispatch with a header of 16 B.
  var messageBytes: Double { rowBytes + (self == .dispatch ? 16 : 0) }

  /// E[distinct groups that a token reaches] when its experts are a uniform choice and lie in so
  /// many equal groups: Q (1 - C(E - E/Q, K) / C(E, K)).
  static func distinctGroups(_ groups: Int) -> Double {
    let others = experts - experts / groups
    let missed = (0..<topK).reduce(1.0) {
      $0 * Double(max(0, others - $1)) / Double(experts - $1)
    }
    return Double(groups) * (1 - missed)
  }
}

/// A row of a table of DeepEP's kernels, measured by aiconfigurator on H100 nodes.
struct DeepEPRow {
  /// The version whose rows are of one shape and of one and two nodes.
  static let version = "0.5.6.post2"

  var nodes: Int
  var tokens: Int
  var experts: Int
  var index: Int

  /// The rows of that version.
  static func rows(of table: PublishedTable) throws -> [DeepEPRow] {
    try (0..<table.rowCount).compactMap { row in
      guard try table.text(row, "sglang_version") == version else { return nil }
      return DeepEPRow(
        nodes: try table.count(row, "nodes_of_8", accepted: 1...4096),
        tokens: try table.count(row, "tokens_per_gpu", accepted: 1...(1 << 24)),
        experts: try table.count(row, "experts", accepted: 1...65536), index: row)
    }
  }
}
