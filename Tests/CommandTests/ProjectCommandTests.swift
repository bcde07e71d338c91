// SPDX-License-Identifier: Apache-2.0
// epsim: tests of `epsim project`.

import Foundation
import TestSupport
import Testing

@Suite("Projecting to clusters")
struct ProjectCommandTests {
  private static let base = [
    "project", "--cluster", "dgx-h100", "--model", "deepseek-v2-lite", "--layers", "2",
    "--workload", "zipf:1", "--tokens-per-rank", "16", "--steps", "2",
  ]

  private func run(_ arguments: [String]) throws -> Command {
    try Command.run("/usr/bin/env", ["timeout", "120", Tool.path] + Self.base + arguments)
  }

  @Test func recordsHaveTheKeysOfRuns() throws {
    let outcome = try run(["--ranks", "8,16", "--placement", "contiguous,lpt", "--json"])
    try #require(outcome.exitCode == 0 && outcome.error == "", "\(outcome.error)")
    let json = try #require(try Tool.json(outcome) as? [String: Any])
    #expect(json["projected"] as? Bool == true && json["schema"] as? String == "epsim-run/1")
    let cases = try #require(json["cases"] as? [[String: Any]])
    #expect(cases.map { $0["ranks"] as? Int } == [8, 8, 16, 16])
    #expect(cases.map { $0["nodes"] as? Int } == [1, 1, 2, 2])
    for entry in cases {
      let step = try #require(entry["step_us"] as? [String: Any])
      let (median, interval) = (
        try #require(step["median"] as? Double), try #require(step["interval"] as? [Double])
      )
      #expect(interval[0] <= median && median <= interval[1] && interval[0] > 0)
      let shares = try #require(entry["shares"] as? [String: Double])
      #expect(abs(shares.values.reduce(0, +) - 1) < 1e-9)
      // Within one node nothing leaves it.
      let bytes = try #require(entry["bytes"] as? [String: Double])
      #expect((bytes["off_node"]! == 0) == (entry["nodes"] as? Int == 1))
    }
  }

  @Test func tablesFitTheTerminal() throws {
    let outcome = try run(["--ranks", "8,64", "--dedup", "none,node", "--mode", "training"])
    try #require(outcome.exitCode == 0, "\(outcome.error)")
    for line in outcome.output.split(separator: "\n") { #expect(line.count <= 105, "\(line)") }
    #expect(outcome.output.contains("What decides the step:"))
    #expect(outcome.output.contains("numbers of the profile: "))
  }

  @Test func filesOfOnePoint() throws {
    let folder = try TemporaryFolder()
    let (matrix, timeline) = (folder.path("m.csv"), folder.path("t.json"))
    let outcome = try run(["--ranks", "8", "--matrix", matrix, "--timeline", timeline])
    try #require(outcome.exitCode == 0, "\(outcome.error)")
    let lines = try String(contentsOfFile: matrix, encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 8 && lines.allSatisfy { $0.split(separator: ",").count == 8 })
    let trace = try JSONSerialization.jsonObject(
      with: Data(contentsOf: URL(fileURLWithPath: timeline)))
    #expect(trace is [String: Any] || trace is [Any])
  }

  @Test func schedulesAreNeverFasterThanTheBound() throws {
    func median(_ schedule: String) throws -> Double {
      let outcome = try run(["--ranks", "16", "--schedule", schedule, "--json"])
      let json = try #require(try Tool.json(outcome) as? [String: Any])
      let first = try #require((json["cases"] as? [[String: Any]])?.first)
      return try #require((first["step_us"] as? [String: Any])?["median"] as? Double)
    }
    let bound = try median("bound")
    for schedule in ["flows", "linear", "pairwise"] {
      #expect(try median(schedule) >= bound * (1 - 1e-9), "\(schedule)")
    }
  }

  @Test(
    "bad input is one sentence",
    arguments: [
      (["--ranks", "12"], "do not fill the nodes"), (["--ranks", "0"], "accepted are 1 to 4096"),
      (["--ranks", "8,x"], "\"x\""), (["--cluster", "nowhere"], "nowhere is unknown"),
      (["--workload", "router"], "live router"), (["--precision", "fp2"], "has peaks for"),
      (["--tokens-per-rank", "0"], "accepted are 1 to 65536"),
      (["--assignment", "ragged"], "by block"), (["--transport", "padded"], "padded"),
      (["--model", "deepseek-v3", "--ranks", "8"], "needs"),
      (["--placement", "lpt", "--ranks", "128"], "64 slots for 128 ranks"),
      (["--schedule", "flows", "--dedup", "node", "--ranks", "16"], "accepted is bound"),
      (["--matrix", "m.csv", "--ranks", "8,16"], "one case on one number of ranks"),
      (["--matrix", "m.txt", "--ranks", "8"], ".npy or .csv"), (["--steps", "0"], "1 to 1000"),
      (["--attention-us", "-1"], "0 to 1e9"),
    ])
  func badInput(_ arguments: [String], _ part: String) throws {
    let outcome = try run(arguments)
    #expect(outcome.exitCode == 2 && outcome.output == "", "\(outcome.output)")
    #expect(outcome.error.split(separator: "\n").count == 1, "\(outcome.error)")
    #expect(outcome.error.contains(part), "\(outcome.error)")
  }
}
