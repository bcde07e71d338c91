// SPDX-License-Identifier: Apache-2.0
// epsim: sparse against dense over a slow wire, held against the formula of the capacity tutorial.

import Foundation
import TestSupport
import Testing

@Suite(
  "Capacity tutorial, slow network", .serialized,
  .enabled(if: Cluster.obstacle == nil, "namespaces are not permitted on this machine"))
struct TutorialTruthTests {
  /// FLOP/s that emulated experts stand for.
  private static let rates = [100e9, 1600e9]

  /// Median steps of a model at all rates, in microseconds.
  private func steps(_ model: String, _ placement: [String] = []) throws -> [Double] {
    let outcome = try Cluster.call(
      [
        "with", "--nodes", "2", "--rate", "1gbit", "--slots", "1", "-n", "2", "--timeout", "60",
        "--", Command.products.appending(path: "epsim").path, "compare", "--config",
        "examples/tutorial/slow-network.yaml", "--model", "examples/tutorial/\(model).yaml",
        "--expert-rate", "100G,1600G", "--tokens", "2048", "--warmup", "1", "--output", "-",
        "--json",
      ] + placement)
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    let record =
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    let cases = try #require(record?["cases"] as? [[String: Any]])
    return try cases.map { item in
      try #require((item["step_us"] as? [String: Any])?["median"] as? Double)
    }
  }

  @Test("sparse is slower than dense by what the wire takes, and loses to equal total where x > 3")
  func sparseAgainstDense() throws {
    let replicas = ["--placement", "eplb+1", "--replica-choice", "nearest"]
    let sparse = try steps("coarse")
    let dense = try steps("dense", replicas)
    let total = try steps("dense-total", replicas)
    for (index, rate) in Self.rates.enumerated() {
      // x = (1 - 1/R) (b_d + b_c) / (6 F) * P / B; the work of sending comes on top.
      let ratio = 0.5 * 6 / (6 * 768) * rate / 125e6
      print("truth: x \(ratio), sparse \(sparse[index]), dense \(dense[index]), \(total[index]) us")
      #expect(sparse[index] > dense[index] * min(1 + ratio / 2, 2))
      if ratio < 1 { #expect(sparse[index] < total[index]) }
      if ratio > 6 { #expect(sparse[index] > total[index]) }
    }
  }
}
