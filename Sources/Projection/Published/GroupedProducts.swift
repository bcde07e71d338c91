// SPDX-License-Identifier: Apache-2.0
// epsim: grouped matrix products of experts on an accelerator, predicted.

internal import MoE

/// T = t0 + smooth maximum of (arithmetic / rate, bytes of active weights and rows / memory).
///
/// In decode the memory binds: what counts are the experts that got a row, not all.
enum GroupedProducts {
  /// Of an H800, dense FP8 and memory: what InferSim's `gpu.py` states; no fit exceeds them.
  static let peaks = [1979e12, 3430e9]

  /// A product of one shape: groups x rows x inner x outer.
  private struct Product {
    var label: String
    var gpus: Int
    var row: BottleneckModel.Row
  }

  static func comparisons(
    decode: PublishedTable, prefill: PublishedTable
  ) throws -> [PublishedComparison] {
    [
      try comparison(decode, title: "Grouped expert products, decode, H800", bound: 0.11),
      try comparison(prefill, title: "Grouped expert products, prefill, H800", bound: 0.08),
    ]
  }

  /// Rows of a group in the benchmark, floor(x u) with u uniform in [0.7, 1.3): the expected number
  /// and the share of groups that are not empty.
  static func draw(_ x: Double) -> (rows: Double, activeShare: Double) {
    func atLeast(_ k: Double) -> Double { min(1, max(0, (1.3 - k / x) / 0.6)) }
    // E = sum over k >= 1 of P(at least k): 1 up to 0.7 x, then (1.3 - k / x) / 0.6 up to 1.3 x.
    let (certain, last) = ((0.7 * x).rounded(.down), (1.3 * x).rounded(.down))
    let sum = (last * (last + 1) - certain * (certain + 1)) / 2
    let uncertain = (1.3 * (last - certain) - sum / x) / 0.6
    return (certain + uncertain, atLeast(1))
  }

  private static func products(_ table: PublishedTable) throws -> [Product] {
    try (0..<table.rowCount).flatMap { row in
      let gpus = try table.count(row, "num_gpus", accepted: 1...65536)
      let groups = try table.number(row, "num_local_experts", accepted: 1...65536)
      let x = try table.number(row, "tokens_per_expert", accepted: 1...1e6)
      let hidden = try table.number(row, "hidden_size", accepted: 1...1e6)
      let ffn = try table.number(row, "intermediate_size", accepted: 1...1e6)
      let (rows, activeShare) = draw(x)
      return try [("up", hidden, 2 * ffn), ("down", ffn, hidden)].map { name, inner, outer in
        let us = try table.number(row, "\(name)_proj_us", accepted: 1e-3...1e9)
        // FP8 in, BF16 out.
        let bytes = activeShare * inner * outer + rows * (inner + 2 * outer)
        return Product(
          label: "\(name), \(Int(groups)) experts, \(Int(x)) rows each", gpus: gpus,
          row: .init(
            sums: [1], limits: [2 * groups * rows * inner * outer, groups * bytes],
            value: us * 1e-6))
      }
    }
  }

  private static func comparison(
    _ table: PublishedTable, title: String, bound: Double
  ) throws -> PublishedComparison {
    let products = try products(table)
    let gpus = Set(products.map(\.gpus)).sorted()
    guard gpus.count >= 2 else {
      throw InputError(
        "\(table.name): one number of GPUs, needed are two: one half predicts the other")
    }
    let halves = [0, 1].map { half in Set(gpus.indices.filter { $0 % 2 == half }.map { gpus[$0] }) }
    let models = halves.map { half in
      BottleneckModel.fit(
        products.filter { half.contains($0.gpus) }.map(\.row), leastLimits: peaks.map { 1 / $0 })
    }
    return PublishedComparison(
      title: title, source: table.name, unit: "us",
      model: "t0 + smooth maximum of FLOP / rate and bytes of active experts / memory",
      split:
        "two halves by number of GPUs (every second one), each predicted by a fit to the other",
      bound: bound,
      parameters: models.enumerated().flatMap { half, model in
        [
          .init("t0, half \(half + 1)", model.sums[0] * 1e6, "us"),
          .init("rate, half \(half + 1)", 1e-12 / model.limits[0], "TFLOP/s"),
          .init("memory, half \(half + 1)", 1e-9 / model.limits[1], "GB/s"),
        ]
      },
      rows: products.map { product in
        let other = models[halves[0].contains(product.gpus) ? 1 : 0]
        return .init(
          product.label, published: product.row.value * 1e6,
          predicted: other.prediction(product.row) * 1e6, role: .judged)
      })
  }
}
