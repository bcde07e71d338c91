// SPDX-License-Identifier: Apache-2.0
// epsim: tests of `epsim place` as a lab: several placements, judged tokens, clusters.

import Foundation
import TestSupport
import Testing

@Suite("Placement lab", .serialized)
struct PlacementLabCommandTests {
  private static let intentTrace = "Tests/Fixtures/traces/deepseek-v2-lite-intent.safetensors"
  private static let trace = [
    "--model", "deepseek-v2-lite", "--workload", Tool.lawTrace, "--layers", "1,9",
  ]

  private func place(_ arguments: [String]) throws -> Command {
    try Command.run("/usr/bin/env", ["timeout", "120", Tool.path, "place"] + arguments)
  }

  private func json(_ arguments: [String]) throws -> [String: Any] {
    let outcome = try place(arguments + ["--json"])
    #expect(outcome.exitCode == 0, "\(arguments): \(outcome.error)")
    return try #require(try Tool.json(outcome) as? [String: Any])
  }

  @Test("several placements are judged on the same tokens, with bounds that hold")
  func comparison() throws {
    let record = try json(
      Self.trace + [
        "--placement", "contiguous,lpt,eplb+8", "--ranks", "8", "--nodes", "2", "--cluster",
        "emulated-1gbit", "--dedup", "node",
      ])
    let rows = try #require(record["rows"] as? [[String: Any]])
    #expect(rows.compactMap { $0["name"] as? String } == ["contiguous", "lpt", "eplb+8"])
    #expect(record["cluster"] as? String == "emulated-1gbit")
    for row in rows {
      let judged = try #require(row["judged"] as? [String: Any])
      let time = try #require(judged["step_seconds"] as? Double)
      let bound = try #require(row["seconds_bound"] as? Double)
      #expect(bound > 0 && bound <= time)
      let load = try #require(judged["load"] as? [String: Any])
      let largest = try #require(load["max_over_mean"] as? Double)
      #expect(try #require(row["load_bound"] as? Double) <= largest)
      // 8 layers of steps: half of the trace in windows of a sixteenth.
      #expect(judged["steps"] as? Int == 8)
    }
    #expect(rows[0]["regret"] is NSNull && rows[1]["regret"] is Double)
    #expect(rows[0]["moved_slots"] as? Int == 0)
    // The bytes of eight slots, and of nine, of two layers in bf16.
    let memory = rows.compactMap { $0["memory_bytes_per_rank"] as? Int }
    let expert = 3 * 2048 * 1408
    #expect(memory == [8 * 4 * expert, 8 * 4 * expert, 9 * 4 * expert])
    let front = try #require(record["front_of_time_and_memory"] as? [String])
    #expect(!front.isEmpty)
  }

  @Test("plans: every combination of placement, choice of replicas and exchange")
  func plans() throws {
    let arguments =
      [
        "--model", "deepseek-v2-lite", "--workload", Tool.lawTrace,
        "--ranks", "8", "--nodes", "2", "--cluster", "emulated-1gbit", "--dedup", "node",
        "--replica-choice", "expert-rr,nearest", "--combine", "exact,pre-reduced", "--layers", "9",
        "--max-seconds", "1",
      ]
    let record = try json(arguments + ["--placement", "contiguous,search+16"])
    let rows = try #require(record["rows"] as? [[String: Any]])
    // Without replicas there is nothing to choose among.
    #expect(
      rows.compactMap { $0["name"] as? String } == [
        "contiguous exact", "contiguous pre-reduced", "search+16 expert-rr exact",
        "search+16 nearest exact", "search+16 expert-rr pre-reduced",
        "search+16 nearest pre-reduced",
      ])
    #expect(rows.compactMap { $0["placement"] as? String }.last == "search+16")
    let drift = try json(arguments + ["--placement", "eplb+16", "--drift"])["drift"]
    #expect((drift as? [String: Any])?.count == 4)
    // The search fits each choice its own placement: near copies leave the node less often.
    let raw = try rows.map {
      try #require(($0["judged"] as? [String: Any])?["off_node_raw"] as? Double)
    }
    #expect(raw[3] < 0.8 * raw[2], "\(raw)")
    for row in rows {
      let time = try #require((row["judged"] as? [String: Any])?["step_seconds"] as? Double)
      #expect(try #require(row["seconds_bound"] as? Double) <= time)
    }
    let refused = try place(arguments + ["--placement", "search+16", "--write", "p.json"])
    #expect(refused.exitCode == 2 && refused.error.contains("4 ways to fit"), "\(refused.error)")
  }

  @Test(
    "what has no effect, or does not go together, is refused",
    arguments: [
      (["--dedup", "none", "--combine", "pre-reduced"], "--combine pre-reduced"),
      (["--replica-choice", "nearest,nearest"], "nearest twice"),
      (["--replica-choice", "nearest,"], "empty entry"),
      (["--rank-change", "-1", "--per-batch", "spill"], "--per-batch"),
      (["--rank-change", "-1", "--replica-choice", "nearest,split"], "the lists make 2"),
      (["--current", "x.json"], "does not start from another one"),
    ])
  func refusedPlans(arguments: [String], words: String) throws {
    let outcome = try place(Self.trace + ["--placement", "lpt", "--ranks", "4"] + arguments)
    #expect(outcome.exitCode == 2 && outcome.error.contains(words), "\(outcome.error)")
    #expect(outcome.output.isEmpty && outcome.error.split(separator: "\n").count == 1)
  }

  @Test("a placement that starts from another one: the file of place, the first of compare")
  func startingFromAnother() throws {
    let folder = try TemporaryFolder()
    let current = folder.path("lpt.json")
    let written = try place(
      Self.trace + ["--placement", "lpt", "--ranks", "2", "--write", current])
    #expect(written.exitCode == 0, "\(written.error)")
    let rows =
      try json(
        Self.trace + ["--placement", "contiguous,swap:2", "--current", current, "--ranks", "2"])[
        "rows"] as? [[String: Any]]
    // Moves are counted from the file, of which two experts a layer change places.
    let moved = try #require(rows).compactMap { $0["moved_slots"] as? Int }
    #expect(moved.count == 2 && moved[1] <= 8 && moved[0] > moved[1], "\(moved)")
    for command in [
      ["compare", "--placement", "contiguous,swap:2", "--computed-ranks", "none"],
      ["rebalance", "--from", "contiguous", "--to", "swap:2"],
      ["rebalance", "--from", "contiguous", "--to", "swap:2", "--policy", "interval:2"],
    ] {
      let outcome = try Tool.launch(
        2,
        arguments: command + [
          "--workload", "zipf:1.2", "--layers", "2", "--tokens", "48", "--steps", "8", "--output",
          "-", "--json",
        ])
      #expect(outcome.exitCode == 0, "\(command): \(outcome.error)")
    }
    let alone = try Tool.launch(1, "run", "--placement", "swap", "--workload", "zipf:1")
    #expect(alone.exitCode == 2 && alone.error.contains("--from of rebalance"), "\(alone.error)")
  }

  @Test("a plan fitted to law is worse than contiguous on intent, and the tool says so")
  func otherDomain() throws {
    let arguments =
      Self.trace + [
        "--placement", "contiguous,lpt", "--ranks", "8", "--judge", Self.intentTrace,
      ]
    let rows = try #require(try json(arguments)["rows"] as? [[String: Any]])
    func load(_ row: Int, _ tokens: String) throws -> Double {
      let score = try #require(rows[row][tokens] as? [String: Any])
      return try #require((score["load"] as? [String: Any])?["max_over_mean"] as? Double)
    }
    #expect(try load(1, "fitted") < load(0, "fitted"))
    let outcome = try place(arguments)
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    let isWorse = try load(1, "judged") > load(0, "judged")
    #expect(
      isWorse == outcome.output.contains("lpt is worse balanced than contiguous"),
      "\(outcome.output)")
    #expect(outcome.output.contains("\(Self.intentTrace);"))
    let lines = outcome.output.components(separatedBy: "\n")
    #expect(lines.allSatisfy { $0.count <= 100 })
  }

  @Test("one placement keeps its report and shows pictures")
  func single() throws {
    let outcome = try place(Self.trace + ["--placement", "lpt", "--ranks", "4", "--nodes", "2"])
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    for words in [
      "balancedness (mean / max", "experts of layer", "assignments between ranks",
      "copies between nodes", "lower bound",
    ] {
      #expect(outcome.output.contains(words), "\(words)")
    }
    let record = try json(Self.trace + ["--placement", "lpt", "--ranks", "4"])
    #expect((record["physical_to_logical"] as? [[Int]])?.count == 2)
    #expect(record["judging"] is [String: Any])
  }

  @Test("auto says what it tried and why it chose")
  func automatic() throws {
    let arguments = [
      "--model", "deepseek-v2-lite", "--workload", Tool.lawTrace, "--layers", "1", "--ranks", "4",
      "--nodes", "2", "--cluster", "emulated-1gbit", "--dedup", "node", "--tokens", "64",
      "--placement", "lpt,auto:0", "--max-seconds", "2",
    ]
    let record = try json(arguments)
    let choices = try #require(record["placement_choices"] as? [[String: Any]])
    #expect(choices.count == 1 && choices[0]["cases"] as? [String] == ["auto:0"])
    let candidates = try #require(choices[0]["candidates"] as? [[String: Any]])
    let times = candidates.compactMap { $0["held_out_us"] as? Double }
    let chosen = try #require(
      candidates.first { $0["name"] as? String == choices[0]["chosen"] as? String })
    #expect(times.count == candidates.count && chosen["held_out_us"] as? Double == times.min())
    #expect(choices[0]["held_out_windows"] as? Int == 4)
    // Every strategy was tried, or was kept out for a reason.
    let leftOut = try #require(choices[0]["left_out"] as? [String])
    #expect(candidates.count + leftOut.count == 8)

    let text = try place(arguments).output
    #expect(text.contains("\nauto:0: chosen is "), "\(text)")
    #expect(text.contains("held-out windows") && text.contains("tried, modelled "))
    #expect(try json(Self.trace + ["--ranks", "4"])["placement_choices"] == nil)
  }

  @Test("placements are fitted to windows and grow old")
  func drift() throws {
    let record = try json(
      Self.trace + ["--placement", "contiguous,lpt", "--ranks", "4", "--drift"])
    let drift = try #require(record["drift"] as? [String: [String: Any]])
    #expect(Array(drift.keys) == ["lpt"])
    let lags = try #require(drift["lpt"]?["lags"] as? [[String: Any]])
    #expect(lags.compactMap { $0["windows"] as? Int } == [1, 2, 4])
    #expect(lags.allSatisfy { ($0["score"] as? Double ?? 0) >= 1 })
    #expect(try #require(drift["lpt"]?["moved_slots"] as? Double) > 0)
  }

  @Test("loads alone are compared on a second load")
  func loads() throws {
    func file(_ name: String) -> String { "Tests/Fixtures/loads/deepseek-v2-lite_\(name)_load.csv" }
    let arguments = [
      "--load", file("law"), "--judge", file("intent"), "--placement", "contiguous,lpt,eplb+8",
      "--ranks", "8",
    ]
    let outcome = try place(arguments + ["--json"])
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    let rows = try #require(try Tool.json(outcome) as? [[String: Any]])
    for row in rows {
      let fitted = try #require(row["fitted_max_over_mean"] as? Double)
      #expect(try #require(row["bound"] as? Double) <= fitted + 1e-12)
      #expect(try #require(row["judged_max_over_mean"] as? Double) >= 1)
    }
    #expect(try place(arguments).output.contains("eplb+8"))
  }

  @Test(
    "what cannot be judged is one sentence",
    arguments: [
      (["--placement", "lpt,lpt"], "lpt is given twice"),
      (["--placement", "lpt,"], "empty entry"),
      (["--placement", "lpt,eplb", "--write", "plan.json"], "takes one placement"),
      (["--placement", "contiguous", "--drift"], "not fitted"),
      (["--cluster", "nowhere"], "profiles are"),
      (["--dedup", "all"], "none, rank, node"),
      (["--replica-choice", "best"], "expert-rr"),
      (["--max-seconds", "nan"], "0 to 86400"),
      (["--judge", "router"], "live router"),
      (["--cluster", "dgx-h100", "--ranks", "17", "--nodes", "2"], "9 ranks on a node"),
    ])
  func refusals(arguments: [String], words: String) throws {
    let outcome = try place(["--workload", "uniform"] + arguments)
    #expect(outcome.exitCode == 2 && outcome.output.isEmpty, "\(outcome.output)")
    #expect(outcome.error.contains(words), "\(outcome.error)")
    #expect(outcome.error.split(separator: "\n").count == 1, "\(outcome.error)")
  }

  @Test("a load tells no tokens")
  func loadWithoutTokens() throws {
    for option in [["--cluster", "dgx-h100"], ["--drift"], ["--dedup", "node"]] {
      let outcome = try place(
        ["--load", "Tests/Fixtures/loads/deepseek-v2-lite_law_load.csv"] + option)
      #expect(outcome.exitCode == 2 && outcome.error.contains("needs tokens"), "\(outcome.error)")
    }
  }
  @Test("ranks that come and go move the fewest experts with consistent hashing")
  func rankChange() throws {
    let arguments = [
      "place", "--model", "tiny", "--layers", "2", "--workload", "zipf:1", "--ranks", "6",
      "--placement", "contiguous,eplb+6,consistent-hash", "--rank-change", "-1,+1",
    ]
    let text = try Command.run(Tool.path, arguments)
    #expect(text.exitCode == 0, "\(text.error)")
    #expect(text.output.contains("Fewest experts move with consistent-hash"))
    #expect(text.output.split(separator: "\n").allSatisfy { $0.count <= 100 })
    let json = try Command.run(Tool.path, arguments + ["--json"])
    let record = try #require(try Tool.json(json) as? [String: Any])
    #expect(record["schema"] as? String == "epsim-rank-change/1")
    let rows = try #require(record["rows"] as? [[String: Any]])
    #expect(rows.map { $0["ranks"] as? Int } == [6, 5, 7, 6, 5, 7, 6, 5, 7])
    for row in rows {
      let moved = try #require(row["moved_experts"] as? Int)
      #expect(moved >= (try #require(row["least_experts"] as? Int)))
      #expect(row["bytes"] is Double && row["max_over_mean"] is Double)
    }
  }

  @Test(
    "changes of ranks that cannot be are refused",
    arguments: [
      (["--rank-change", "x"], "accepted are numbers of ranks"),
      (["--rank-change", "-6"], "which leave 1 to 65536 of 6"),
      (["--rank-change", "+1,1"], "1 twice"),
      (["--rank-change", "1", "--slots-per-rank", "1,1,1,1,1,1"], "of one number of ranks"),
      (["--rank-change", "1", "--placement", "plan.json"], "for the ranks that it was made for"),
    ])
  func rankChangeRefusals(arguments: [String], words: String) throws {
    let outcome = try Command.run(
      Tool.path, ["place", "--workload", "zipf:1", "--ranks", "6"] + arguments)
    #expect(outcome.exitCode == 2 && outcome.error.contains(words), "\(outcome.error)")
    #expect(outcome.output.isEmpty)
  }
}
