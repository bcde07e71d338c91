// SPDX-License-Identifier: Apache-2.0
// epsim: tests of `epsim place --per-batch`.

import Foundation
import TestSupport
import Testing

@Suite("Place per batch")
struct PerBatchCommandTests {
  private static let trace = [
    "--model", "deepseek-v2-lite", "--workload", Tool.lawTrace, "--layers", "1,9", "--ranks", "8",
    "--nodes", "2",
  ]

  private func place(_ arguments: [String]) throws -> Command {
    try Command.run("/usr/bin/env", ["timeout", "120", Tool.path, "place"] + arguments)
  }

  @Test("spilled and shadowed batches stand beside those of the placement alone")
  func comparison() throws {
    let arguments =
      Self.trace + [
        "--placement", "contiguous,eplb+8", "--cluster", "emulated-1gbit", "--per-batch",
        "spill:1:least=64:threshold=1.1,shadow:best-prefix:rows=20",
      ]
    let outcome = try place(arguments + ["--json"])
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    let record = try #require(try Tool.json(outcome) as? [String: Any])
    let perBatch = try #require(record["per_batch"] as? [String: Any])
    // Three matrices of 2048 x 1408 in bf16.
    let expert = 3.0 * 2048 * 1408 * 2
    #expect(perBatch["bytes_per_expert"] as? Double == expert)
    #expect(perBatch["tokens_per_batch"] as? Int == 520)
    let rows = try #require(perBatch["rows"] as? [[String: Any]])
    #expect(
      rows.map { $0["rule"] as? String } == [
        nil, "spill:1:least=64:threshold=1.1", "shadow:best-prefix:rows=20",
        nil, "spill:1:least=64:threshold=1.1", "shadow:best-prefix:rows=20",
      ])
    let judged = try #require(record["rows"] as? [[String: Any]])
    for (index, row) in rows.enumerated() {
      let score = try #require(row["score"] as? [String: Any])
      // Two layers of eight steps.
      #expect(score["batches"] as? Int == 16)
      let experts = try #require(score["experts_per_batch"] as? Double)
      #expect(score["bytes_per_batch"] as? Double == experts * expert)
      let seconds = try #require(score["row_seconds"] as? Double)
      let load = try #require((score["load"] as? [String: Any])?["max_over_mean"] as? Double)
      guard index % 3 == 0 else { continue }
      // Without a rule it is what the placement is judged by: a step has two layers.
      let own = try #require(judged[index / 3]["judged"] as? [String: Any])
      #expect(abs(2 * seconds - (own["step_seconds"] as! Double)) < 1e-9)
      #expect(load == (own["load"] as? [String: Any])?["max_over_mean"] as? Double)
      #expect(experts == 0 && row["gain"] is NSNull && row["pays_from_tokens"] is NSNull)
    }
    let spilled = try #require(rows[1]["score"] as? [String: Any])
    #expect(try #require(spilled["lending_batches"] as? Int) > 0)
    #expect(try #require(spilled["weight_seconds"] as? Double) > 0)

    let text = try place(arguments)
    for words in ["pays from", "weights travel", "tokens a batch", "contiguous: lending does not"] {
      #expect(text.output.contains(words), "\(words): \(text.output)")
    }
    #expect(text.output.components(separatedBy: "\n").allSatisfy { $0.count <= 100 })
  }

  @Test(
    "rules that do not fit are refused in one sentence",
    arguments: [
      (["--workload", "zipf:1", "--per-batch", "spil"], "\"spil\" is unknown"),
      (["--workload", "zipf:1", "--per-batch", "spill,"], "empty entry"),
      (["--workload", "zipf:1", "--per-batch", "spill,spill"], "given twice"),
      (["--workload", "zipf:1", "--per-batch", "spill:inf"], "limit is \"inf\""),
      (["--per-batch", "spill", "--placement", "contiguous"], "a live router does not tell"),
      (
        ["--load", "Tests/Fixtures/eplb-oracle/readme_weight.csv", "--per-batch", "spill"], "tokens"
      ),
    ])
  func badRules(arguments: [String], words: String) throws {
    let outcome = try place(["--ranks", "4"] + arguments)
    #expect(outcome.exitCode == 2)
    #expect(outcome.error.contains("--per-batch") && outcome.error.contains(words))
    #expect(outcome.error.split(separator: "\n").count == 1)
  }
}
