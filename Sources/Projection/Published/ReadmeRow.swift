// SPDX-License-Identifier: Apache-2.0
// epsim: the numbers that DeepEP's own pages state.

/// A row of `deepep_readme.csv`.
struct ReadmeRow {
  var version: String
  var kernel: String
  var gpu: String
  /// What bandwidths count: bytes over NVLink or between nodes.
  var kind: String
  var gpus: Int
  var tokens: Int
  private var gigabytes: [DeepEPWay: Double]
  private var times: [DeepEPWay: Double]

  var nodes: Int { gpus / DeepEPWay.gpusPerNode }
  var isLowLatency: Bool { kernel == "low_latency" }

  /// Logical GB/s: own rank or node counted.
  func bandwidth(_ way: DeepEPWay) -> Double { gigabytes[way] ?? 0 }
  func microseconds(_ way: DeepEPWay) -> Double? { times[way] }

  /// The normal kernel of version 1 on one node, which sets the bandwidth of NVLink on H800.
  static func singleNode(_ rows: [ReadmeRow]) -> ReadmeRow? {
    rows.first { $0.version == "V1" && !$0.isLowLatency && $0.nodes == 1 }
  }

  static func rows(of table: PublishedTable) throws -> [ReadmeRow] {
    try (0..<table.rowCount).map { row in
      var (gigabytes, times): ([DeepEPWay: Double], [DeepEPWay: Double]) = ([:], [:])
      for way in DeepEPWay.allCases {
        gigabytes[way] = try table.number(row, "\(way.rawValue)_GBps", accepted: 1e-3...1e6)
        if try !table.text(row, "\(way.rawValue)_us").isEmpty {
          times[way] = try table.number(row, "\(way.rawValue)_us", accepted: 1e-3...1e9)
        }
      }
      return ReadmeRow(
        version: try table.text(row, "version"), kernel: try table.text(row, "kernel"),
        gpu: try table.text(row, "gpu"), kind: try table.text(row, "bandwidth_kind"),
        gpus: try table.count(
          row, "ep_size", accepted: DeepEPWay.gpusPerNode...DeepEPWay.gpusPerNode * 4096),
        tokens: try table.count(row, "tokens_per_gpu", accepted: 1...(1 << 24)),
        gigabytes: gigabytes, times: times)
    }
  }
}
