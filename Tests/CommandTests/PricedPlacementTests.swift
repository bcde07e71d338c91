// SPDX-License-Identifier: Apache-2.0
// epsim: tests of placements that runs choose by a cluster profile.

import Foundation
import TestSupport
import Testing

@Suite("Placements chosen by a cluster profile in runs", .serialized)
struct PricedPlacementTests {
  private static let cases = [
    "--model", "tiny", "--workload", "zipf:1.2", "--layers", "1", "--tokens", "64", "--steps", "8",
    "--warmup", "1", "--compute", "emulated", "--expert-rate", "20G", "--output", "-",
  ]

  private func launch(_ ranks: Int, _ arguments: [String]) throws -> Command {
    try Command.run(
      "scripts/launch", ["-n", "\(ranks)", "--timeout", "120", "--", Tool.path] + arguments)
  }

  private func record(_ ranks: Int, _ arguments: [String]) throws -> [[String: Any]] {
    let outcome = try launch(ranks, arguments + Self.cases + ["--json"])
    try #require(outcome.exitCode == 0, "\(outcome.error)")
    let record = try #require(try Tool.json(outcome) as? [String: Any])
    return try #require(record["cases"] as? [[String: Any]])
  }

  @Test("each case gets the placement that its own exchange asks for, on every rank the same")
  func perCase() throws {
    let cases = try record(
      4,
      [
        "compare", "--cluster", "emulated-1gbit", "--max-seconds", "100", "--case",
        "placement=search:1", "--case", "placement=search:1,chunks=2", "--case",
        "placement=search:1,dedup=rank", "--case", "placement=auto+4:1", "--case",
        "placement=contiguous",
      ])
    let loads = try cases.map {
      try #require(($0["load"] as? [String: Any])?["max_over_mean"] as? Double)
    }
    // Chunks are not priced: these are one placement; copies per rank ask for another one.
    #expect(loads[0] == loads[1] && loads[0] != loads[2])
    // On one node with stand-ins for experts the busiest rank decides.
    #expect(loads[0] < loads[4] && loads[3] < loads[4])
    #expect(Set(cases.compactMap { $0["output_digest"] as? String }).count == 1)
    #expect(
      cases.allSatisfy { $0["is_fitted"] as? Bool == ($0["placement"] as? String != "contiguous") })
    let replicas = cases.compactMap { ($0["replicas"] as? [String: Any])?["extra_slots"] as? Int }
    #expect(replicas == [0, 0, 0, 4, 0])
  }

  @Test("validate chooses by the profile that it measures first")
  func validated() throws {
    let outcome = try launch(
      2, ["validate", "--quick", "--placement", "auto:1,contiguous"] + Self.cases)
    #expect(outcome.exitCode == 0 && outcome.error == "", "\(outcome.error)")
    #expect(outcome.output.hasPrefix("Predicted from profile here: 2 ranks on 1 node"))
    #expect(outcome.output.contains("\nauto:1 "))
  }

  @Test(
    "what cannot be priced is refused in one sentence",
    arguments: [
      (["run", "--placement", "search"], "placement search: it is chosen by the time of a layer"),
      (["run", "--placement", "auto", "--cluster", "nowhere"], "cluster nowhere is unknown"),
      (
        ["compare", "--placement", "auto", "--cluster", "dgx-h100", "--dtype", "f32"],
        "dgx-h100 has no rank.peak.f32"
      ),
      (
        ["run", "--placement", "auto", "--cluster", "dgx-h100", "--transport", "padded"],
        "--transport padded cannot be projected"
      ),
      (
        ["run", "--placement", "auto", "--cluster", "dgx-h100", "--workload", "router"],
        "need to know the load"
      ),
      (
        ["run", "--placement", "lpt", "--max-seconds", "3"],
        "--max-seconds 3 has no effect without a placement that searches"
      ),
      (
        ["run", "--placement", "auto", "--cluster", "dgx-h100", "--max-seconds", "-1"],
        "--max-seconds -1, accepted are 0 to 86400"
      ),
      (["rebalance", "--to", "search"], "placement search: it is chosen by the time of a layer"),
    ])
  func refusals(arguments: [String], words: String) throws {
    let outcome = try Command.run(
      "/usr/bin/env",
      ["timeout", "60", Tool.path, arguments[0]] + Self.cases + arguments.dropFirst())
    #expect(outcome.exitCode == 2 && outcome.output.isEmpty, "\(outcome.output)")
    #expect(outcome.error.contains(words), "\(outcome.error)")
    #expect(outcome.error.split(separator: "\n").count == 1, "\(outcome.error)")
  }
}
