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
        "placement=search:0", "--case", "placement=search:0,chunks=2", "--case",
        "placement=search:0,dedup=rank", "--case", "placement=auto+4:0", "--case",
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

  @Test("auto says what it tried for each rate of the experts, in print and in the record")
  func chosen() throws {
    let arguments =
      [
        "compare", "--placement", "auto:0", "--cluster", "emulated-1gbit", "--computed-ranks",
        "none",
      ]
      + Self.cases + ["--expert-rate", "2G,20G"]
    let outcome = try launch(2, arguments)
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    for rate in ["2G", "20G"] {
      #expect(outcome.output.contains("\n\(rate): chosen is "), "\(outcome.output)")
    }
    let json = try launch(2, arguments + ["--json"])
    let record = try #require(try Tool.json(json) as? [String: Any], "\(json.error)")
    let choices = try #require(record["placement_choices"] as? [[String: Any]])
    #expect(choices.map { $0["cases"] as? [String] } == [["2G"], ["20G"]])
    let contiguous = try choices.map { choice in
      try #require(
        (choice["candidates"] as? [[String: Any]])?.first { $0["name"] as? String == "contiguous" })
    }
    let times = contiguous.compactMap { $0["held_out_us"] as? Double }
    // Stand-ins for experts are most of the slower layer, and are priced by their rate.
    #expect(times.count == 2 && times[0] > 3 * times[1] && times[0] < 10 * times[1])
  }

  @Test("with a profile every case that it fits is predicted, the others say why")
  func predicted() throws {
    let arguments =
      ["compare", "--computed-ranks", "none", "--cluster", "emulated-1gbit"] + Self.cases + [
        "--case", "placement=contiguous", "--case", "placement=lpt", "--case", "jitter=3",
      ]
    let outcome = try launch(2, arguments)
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    let lines = outcome.output.components(separatedBy: "\n")
    for part in [
      "Predicted from profile emulated-1gbit: ", "best: ", "mean absolute error: step ",
      "No prediction of contiguous jitter 3 from profile emulated-1gbit: --jitter 3.0 cannot be",
    ] {
      #expect(lines.contains { $0.hasPrefix(part) }, "\(outcome.output)")
    }
    #expect(lines.allSatisfy { $0.count <= 100 }, "\(outcome.output)")

    let json = try launch(2, arguments + ["--json"])
    let record = try #require(try Tool.json(json) as? [String: Any], "\(json.error)")
    let prediction = try #require(record["prediction"] as? [String: Any])
    let cases = try #require(prediction["cases"] as? [[String: Any]])
    #expect(cases.compactMap { $0["name"] as? String } == ["contiguous", "lpt"])
    let measured = try #require(record["cases"] as? [[String: Any]])
    for (entry, whole) in zip(cases, measured) {
      let step = try #require(entry["step"] as? [String: Double])
      #expect(
        step["measured_us"] == (whole["step_us"] as? [String: Any])?["median"] as? Double)
      #expect(try #require(step["predicted_us"]) > 0)
    }
    #expect(prediction["predicted_best"] is String && prediction["measured_best"] is String)
  }

  @Test("a profile that does not fit the ranks predicts nothing and stops nothing")
  func unpredicted() throws {
    for (arguments, reason) in [
      (["--cluster", "dgx-h100", "--dtype", "f32"], "cluster dgx-h100 has no rank.peak.f32"),
      (
        ["--cluster", "emulated-1gbit", "--workload", "router"], "load and traffic of a live router"
      ),
    ] {
      let outcome = try Command.run(
        "/usr/bin/env", ["timeout", "60", Tool.path, "run"] + Self.cases + arguments)
      #expect(outcome.exitCode == 0, "\(outcome.error)")
      #expect(outcome.output.contains("\nNo prediction of any case from profile "))
      #expect(outcome.output.contains(reason), "\(outcome.output)")
      #expect(!outcome.output.contains("Predicted from"))
    }
    // Without a profile nothing is said.
    let silent = try Command.run(
      "/usr/bin/env", ["timeout", "60", Tool.path, "run"] + Self.cases + ["--json"])
    let record = try #require(try Tool.json(silent) as? [String: Any])
    #expect(record["prediction"] == nil)
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
