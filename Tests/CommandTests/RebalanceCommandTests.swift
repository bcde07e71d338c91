// SPDX-License-Identifier: Apache-2.0
// epsim: tests of `epsim rebalance`, and of placement files on the command line.

import Foundation
import TestSupport
import Testing

@Suite("Rebalance command", .serialized)
struct RebalanceCommandTests {
  @Test("what place writes is what rebalance moves to, with equal output before and after")
  func files() throws {
    let folder = try TemporaryFolder()
    let common = ["--model", "tiny", "--layers", "2", "--workload", "zipf:1.2"]
    for format in ["own", "vllm-ascend"] {
      let placed = try Command.run(
        Tool.path,
        [
          "place", "--ranks", "3", "--placement", "eplb+2", "--write",
          folder.path("\(format).json"),
        ]
          + ["--format", format] + common)
      #expect(placed.exitCode == 0, "\(placed.error)")
    }
    let moved = try Command.run(
      "scripts/launch",
      ["-n", "3", "--timeout", "120", "--", Tool.path, "rebalance", "--from", "contiguous"]
        + ["--to", folder.path("vllm-ascend.json"), "--steps", "8", "--tokens", "48", "--json"]
        + ["--output", folder.path("out")] + common)
    #expect(moved.exitCode == 0, "\(moved.error)")
    let record = try #require(try Tool.json(moved) as? [String: Any])
    #expect(record["schema"] as? String == "epsim-rebalance/1")
    #expect(record["digests_equal"] as? Bool == true)
    #expect((record["layers"] as? [Any])?.count == 2)
    #expect(try #require(record["moved_experts"] as? Int) > 0)
    #expect(try #require(record["bytes"] as? Int) > 0)
    // A file is taken as it is written.
    let relabelling = try #require(record["relabelling"] as? [String: Any])
    #expect(relabelling["rule"] as? String == "none")
    #expect(relabelling["moved_as_numbered"] as? Int == record["moved_experts"] as? Int)
    #expect(record["verdict"] is String)
    for file in ["record.json", "rebalance.json"] {
      #expect(FileManager.default.fileExists(atPath: folder.path("out/\(file)")))
    }
    let nothing = try Command.run(
      "scripts/launch",
      ["-n", "3", "--timeout", "120", "--", Tool.path, "rebalance"]
        + ["--from", folder.path("own.json"), "--to", folder.path("vllm-ascend.json")]
        + ["--steps", "2", "--tokens", "48", "--output", "-"] + common)
    #expect(nothing.exitCode == 0, "\(nothing.error)")
    #expect(nothing.output.contains("Nothing moves"))
    #expect(nothing.output.split(separator: "\n").allSatisfy { $0.count <= 100 })
  }

  @Test("ranks of a node change places, and what is said to move is what moves")
  func relabelling() throws {
    let outcome = try Tool.launch(
      3, "rebalance", "--from", "random:2", "--to", "lpt", "--workload", "zipf:1.2", "--layers",
      "2", "--tokens", "48", "--steps", "2", "--output", "-", "--json")
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    let record = try #require(try Tool.json(outcome) as? [String: Any])
    let relabelling = try #require(record["relabelling"] as? [String: Any])
    let moved = try #require(relabelling["moved_relabelled"] as? Int)
    #expect(relabelling["rule"] as? String == "node")
    #expect(record["moved_experts"] as? Int == moved)
    #expect(moved < (try #require(relabelling["moved_as_numbered"] as? Int)))
  }

  @Test("policies and a lost shard change no output, and their course is written down")
  func course() throws {
    let folder = try TemporaryFolder()
    let outcome = try Tool.launch(
      2, "rebalance", "--to", "eplb+8", "--workload", "rotating:0.5:every=4", "--layers", "2",
      "--tokens", "48", "--steps", "16", "--policy", "never,interval:4:window=4:gain=0",
      "--lose-shard", "1@5", "--output", folder.path("out"))
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    #expect(outcome.output.split(separator: "\n").allSatisfy { $0.count <= 100 })
    #expect(outcome.output.contains("before step 5 a rank lost 64 experts"))
    let written = try JSONSerialization.jsonObject(
      with: Data(contentsOf: URL(filePath: folder.path("out/course.json"))))
    let record = try #require(written as? [String: Any])
    #expect(record["schema"] as? String == "epsim-course/1")
    let policies = try #require(record["policies"] as? [[String: Any]])
    #expect(policies.map { $0["policy"] as? String }.last == "interval:4:window=4:gain=0")
    for policy in policies {
      let steps = try #require(policy["steps"] as? [[String: Any]])
      #expect(steps.count == 16)
      let loss = try #require(steps[5]["move"] as? [String: Any])
      #expect(loss["cause"] as? String == "loss")
      #expect(try #require(loss["lost_experts"] as? Int) >= 64)
    }
  }

  @Test("compare sets strategies and policies side by side, from one start on the same tokens")
  func courses() throws {
    let outcome = try Tool.launch(
      2, "compare", "--placement", "contiguous,lpt,eplb+4", "--workload", "rotating:0.5:every=4",
      "--layers", "1", "--tokens", "48", "--steps", "9", "--output", "-", "--json", "--rebalance",
      "never,interval:4:window=4:gain=0")
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    let record = try #require(try Tool.json(outcome) as? [String: Any])
    #expect(record["schema"] as? String == "epsim-courses/1")
    let courses = try #require(record["courses"] as? [[String: Any]])
    #expect(courses.map { $0["to"] as? String } == ["lpt", "eplb+4"])
    #expect(Set(courses.map { $0["output_digest"] as? String }).count == 1)
    let starts = try courses.map { course in
      let policies = try #require(course["policies"] as? [[String: Any]])
      #expect(policies.map { $0["moves"] as? Int }.first == 0)
      #expect(try #require(policies[1]["moves"] as? Int) > 0)
      let steps = try #require(policies[0]["steps"] as? [[String: Any]])
      return steps.map { $0["max_over_mean"] as? Double }
    }
    #expect(starts[0] == starts[1] && starts[0].count == 9)
  }

  @Test("compare sets placements side by side that lose the same rank")
  func losses() throws {
    let arguments = [
      "compare", "--placement", "contiguous,eplb+64", "--workload", "zipf:1", "--layers", "1",
      "--tokens", "48", "--steps", "12", "--output", "-", "--lose-shard", "1@2",
    ]
    let launch = ["-n", "2", "--timeout", "120", "--", Tool.path]
    let outcome = try Command.run("scripts/launch", launch + arguments + ["--json"])
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    let record = try #require(try Tool.json(outcome) as? [String: Any])
    let courses = try #require(record["courses"] as? [[String: Any]])
    #expect(courses.map { $0["from"] as? String } == ["contiguous", "eplb+64"])
    let losses = try courses.map { course in
      let policies = try #require(course["policies"] as? [[String: Any]])
      let steps = try #require(policies[0]["steps"] as? [[String: Any]])
      #expect((steps[10]["move"] as? [String: Any])?["cause"] as? String == "restore")
      return try #require(steps[2]["move"] as? [String: Any])
    }
    #expect(losses.map { $0["lost_experts"] as? Int }.first == 32)
    #expect(losses[0]["recreated_experts"] as? Int == 32)
    // Replicas take over.
    let recreated = try #require(losses[1]["recreated_experts"] as? Int)
    #expect(recreated < (try #require(losses[1]["lost_experts"] as? Int)))
    let text = try Command.run("scripts/launch", launch + arguments)
    #expect(text.output.contains("The output is the same to the last bit"))
    #expect(text.output.split(separator: "\n").allSatisfy { $0.count <= 100 })
  }

  @Test(
    "impossible wishes are refused",
    arguments: [
      (["rebalance", "--to", "contiguous"], "nothing to move"),
      (["rebalance", "--to", "lpt,eplb"], "one placement"),
      (["rebalance", "--to", "lpt", "--dedup", "none,rank"], "2 cases for each placement"),
      (["rebalance", "--to", "lpt", "--resume"], "--resume is an option of run"),
      (["rebalance", "--to", "lpt", "--relabel", "some"], "accepted are none, node, all"),
      (["rebalance", "--to", "lpt", "--policy", "often"], "policy \"often\" is unknown"),
      (["rebalance", "--to", "lpt", "--policy", "never,,interval"], "has an empty entry"),
      (["rebalance", "--to", "lpt", "--weights", "shared"], "accepted is per-layer"),
      (["rebalance", "--to", "lpt", "--lose-shard", "1"], "RANK@STEP"),
      (
        ["rebalance", "--to", "lpt", "--workload", "zipf:1", "--lose-shard", "0@1"],
        "of at least 2"
      ),
      (["compare", "--rebalance", "never"], "needs two placements or more"),
      (
        [
          "compare", "--placement", "contiguous,lpt", "--dedup", "none,rank", "--rebalance",
          "never",
        ],
        "but --placement, here are 4 cases"
      ),
      (
        ["compare", "--placement", "contiguous,lpt", "--rebalance", "often"], "\"often\" is unknown"
      ),
      (
        ["compare", "--placement", "contiguous,lpt", "--rebalance", "never", "--resume"],
        "--rebalance does not take it"
      ),
      (
        [
          "compare", "--placement", "contiguous,lpt", "--rebalance", "never", "--lose-shard", "1@1",
        ],
        "one of them is accepted"
      ),
      (["compare", "--lose-shard", "1@1", "--dedup", "none,rank"], "but --placement"),
      (["rebalance", "--to", "best"], "placement \"best\" is unknown"),
      (["place", "--ranks", "2", "--write", "x.txt"], "accepted are files that end in"),
      (["place", "--ranks", "2", "--write", "x", "--format", "pt"], "--format pt"),
      (["place", "--ranks", "2", "--format", "csv"], "--write names"),
      (
        ["place", "--workload", "zipf:1", "--ranks", "3", "--placement", "contiguous"]
          + ["--write", "/tmp/epsim-never", "--format", "sglang"], "equally many on every rank"
      ),
    ])
  func refusals(arguments: [String], words: String) throws {
    let outcome = try Command.run(Tool.path, arguments)
    #expect(outcome.exitCode == 2, "\(arguments): \(outcome.error)")
    #expect(outcome.error.contains(words), "\(outcome.error)")
    #expect(outcome.error.hasPrefix("epsim: ") && outcome.output.isEmpty)
  }
}
