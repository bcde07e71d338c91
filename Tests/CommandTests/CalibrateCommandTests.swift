// SPDX-License-Identifier: Apache-2.0
// epsim: tests of `epsim calibrate --exchange` and of choosing by its table.

import Foundation
import TestSupport
import Testing

@Suite("Calibrating and choosing exchanges", .serialized)
struct CalibrateCommandTests {
  private static let small = [
    "--exchange", "--hidden", "16", "--top-k", "2", "--tokens-per-rank", "4,16", "--steps", "8",
  ]

  private func launch(_ ranks: Int, _ arguments: [String]) throws -> Command {
    try Command.run(
      "scripts/launch", ["-n", "\(ranks)", "--timeout", "60", "--", Tool.path] + arguments)
  }

  /// A table of two ranks.
  private func table(in folder: TemporaryFolder) throws -> String {
    let path = folder.path("exchange.json")
    let outcome = try launch(2, ["calibrate"] + Self.small + ["--output", path])
    try #require(outcome.exitCode == 0, "\(outcome.error)")
    return path
  }

  private func expectRefusal(_ outcome: Command, _ part: String) {
    #expect(outcome.exitCode == 2 && outcome.output == "", "\(outcome.error)")
    #expect(outcome.error.split(separator: "\n").count == 1, "\(outcome.error)")
    #expect(outcome.error.hasPrefix("epsim: ") && outcome.error.contains(part), "\(outcome.error)")
  }

  @Test("calibrate prints the fastest of every row and writes the table")
  func calibrate() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("exchange.json")
    let outcome = try launch(
      2, ["calibrate", "--exchange", "--quick", "--output", path, "--dtype", "f32"])
    try #require(outcome.exitCode == 0, "\(outcome.error)")
    let lines = outcome.output.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.allSatisfy { $0.count <= 100 }, "\(outcome.output)")
    #expect(lines.filter { $0.hasSuffix("*") || $0.contains("* ") }.count >= 6)
    let json = try #require(
      JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: path)))
        as? [String: Any])
    #expect(json["schema"] as? String == "epsim-exchange/1" && json["steps"] as? Int == 8)
    let machine = try #require(json["machine"] as? [String: Any])
    #expect(machine["ranks"] as? Int == 2 && machine["nodes"] as? Int == 1)
    let series = try #require(json["series"] as? [[String: Any]])
    #expect(series.map { $0["workload"] as? String } == ["uniform", "zipf:1.2", "neighbours"])
    let points = try #require(series[2]["points"] as? [[String: Any]])
    #expect(points.map { $0["tokens_per_rank"] as? Int } == [16, 128])
    // A token of a rank chooses eight experts of one of two ranks: half of the rows stay.
    let shape = try #require(points[1]["shape"] as? [String: Double])
    #expect(shape["rows_per_rank"] == 1024 && shape["row_bytes"] == 2048)
    #expect(abs(try #require(shape["off_rank"]) - 0.5) < 0.1)
    let times = try #require(points[1]["times"] as? [[String: Any]])
    let engines = try times.map {
      let words = try #require([$0["dedup"] as? String, $0["transport"] as? String] as? [String])
      return words.joined(separator: " ")
    }
    // On one node there is no way between nodes to choose.
    #expect(
      engines
        == ["none", "rank"].flatMap { dedup in
          ["alltoallv", "p2p", "shm+p2p", "padded"].map { "\(dedup) \($0)" }
        })
    for time in times {
      let (us, travel) = (
        try #require(time["us"] as? Double), try #require(time["travel_us"] as? Double)
      )
      let interval = try #require(time["ci95"] as? [Double])
      #expect(us > 0 && travel > 0 && travel <= us && interval[0] <= us && us <= interval[1])
    }
  }

  @Test("what cannot be measured is refused")
  func refusals() throws {
    expectRefusal(try Tool.run("calibrate", "--exchange"), "nothing to measure on 1 rank")
    for (option, value, part) in [
      ("--hidden", "0", "accepted are 1 to 65536"), ("--hidden", "8,,16", "accepted are 1 to"),
      ("--tokens-per-rank", "99999999999999999999", "accepted are 1 to 65536"),
      ("--top-k", "65", "accepted are 1 to 64"), ("--steps", "7", "accepted are 8 to 10000"),
      ("--dtype", "int8", "--dtype int8 is unknown"),
      ("--output", "/no such folder/x", "there is no folder /no such folder"),
    ] {
      expectRefusal(try launch(2, ["calibrate", "--exchange", option, value]), part)
    }
  }

  @Test("auto gives the same output and says what it chose")
  func choices() throws {
    let folder = try TemporaryFolder()
    let path = try table(in: folder)
    let options = [
      "compare", "--workload", "zipf:1.1", "--layers", "2", "--tokens", "32", "--steps", "3",
      "--warmup", "1", "--output", "-", "--exchange-table", path, "--case", "transport=p2p",
      "--case", "transport=auto", "--case", "transport=auto,dedup=auto,chunks=auto",
    ]
    let outcome = try launch(2, options + ["--json"])
    try #require(outcome.exitCode == 0, "\(outcome.error)")
    let record = try #require(try Tool.json(outcome) as? [String: Any])
    let cases = try #require(record["cases"] as? [[String: Any]])
    #expect(Set(cases.compactMap { $0["output_digest"] as? String }).count == 1)
    #expect(cases[0]["choices"] is NSNull && cases[0]["chunks"] as? Int == 1)
    #expect(cases[1]["transport"] as? String == "auto" && cases[1]["dedup"] as? String == "none")
    #expect(cases[2]["dedup"] as? String == "auto" && cases[2]["chunks"] is NSNull)
    for entry in cases.dropFirst() {
      #expect((entry["name"] as? String)?.contains("transport auto") == true)
      let choices = try #require(entry["choices"] as? [String: [String: Any]])
      #expect(choices.values.compactMap { $0["layer_steps"] as? Int }.reduce(0, +) == 6)
      for (words, choice) in choices {
        // On one node nothing overlaps.
        #expect(words.hasSuffix(" 1"), "\(words)")
        #expect(try #require(choice["predicted_us"] as? Double) > 0)
        #expect(try #require(choice["measured_us"] as? Double) > 0)
      }
    }
    let printed = try launch(
      2,
      [
        "compare", "--workload", "uniform", "--layers", "1", "--tokens", "32", "--steps", "2",
        "--warmup", "0", "--output", "-", "--exchange-table", path, "--transport", "p2p,auto",
        "--computed-ranks", "none",
      ])
    #expect(printed.output.contains("layer-steps"), "\(printed.output)\(printed.error)")
    #expect(printed.output.split(separator: "\n").allSatisfy { $0.count <= 100 })
  }

  @Test("auto needs a table that fits")
  func tables() throws {
    let folder = try TemporaryFolder()
    let path = try table(in: folder)
    func run(_ ranks: Int, _ more: String...) throws -> Command {
      try launch(
        ranks, ["run", "--workload", "uniform", "--tokens", "8", "--output", "-"] + more)
    }
    expectRefusal(
      try run(2, "--dedup", "auto"),
      "--dedup auto needs --exchange-table FILE, measure one with epsim calibrate --exchange")
    expectRefusal(try run(2, "--exchange-table", path), "has no effect without")
    expectRefusal(
      try run(3, "--dedup", "auto", "--exchange-table", path),
      "measured on 2 ranks on 1 node, this run has 3 ranks on 1 node")
    expectRefusal(
      try run(2, "--chunks", "auto", "--exchange-table", folder.path("none.json")),
      "there is no such file")
    let wrong = try folder.write(Data("{}".utf8), "wrong.json")
    expectRefusal(
      try run(2, "--chunks", "auto", "--exchange-table", wrong), "schema epsim-exchange/1")
    expectRefusal(
      try run(
        2, "--dedup", "auto", "--transport", "shm+alltoallv", "--exchange-table", path),
      "has no engine that --dedup auto could choose")
    expectRefusal(
      try run(2, "--dedup", "auto", "--combine", "pre-reduced", "--exchange-table", path),
      "accepted with --dedup auto is --combine exact")
    expectRefusal(
      try run(2, "--dedup", "auto", "--transport", "allgather", "--exchange-table", path),
      "--transport allgather")
    expectRefusal(
      try run(2, "--dedup", "auto", "--exchange-table", path, "--add-launch"),
      "--add-launch with --dedup auto")
  }
}
