// SPDX-License-Identifier: Apache-2.0
// epsim: tests of `epsim calibrate --from` and `epsim validate --published`.

import Foundation
import TestSupport
import Testing

@Suite("Tables that were published or measured elsewhere", .serialized)
struct TableCommandTests {
  /// 2 us and 4 GB/s up to 32 KiB, 10 us and 12 GB/s above; one message and three at once.
  private static let table: String = {
    var lines = ["bytes,us,peers"]
    for exponent in 0..<25 {
      let bytes = Double(1 << exponent)
      for peers in [1.0, 3] {
        let us = bytes <= 32_768 ? 2 + bytes / 4000 : 10 + bytes / 12_000
        // One per cent up and down by turns.
        lines.append("\(bytes),\(peers * us * (exponent.isMultiple(of: 2) ? 1.01 : 0.99)),\(peers)")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }()

  /// The law of the table, by the size from which it holds.
  private static let law = [
    (from: 0.0, us: 2.0, rate: 4e9), (from: 46_341, us: 10, rate: 12e9),
  ]

  private func expectRefusal(_ outcome: Command, _ part: String) {
    #expect(outcome.exitCode == 2 && outcome.output == "", "\(outcome.error)")
    #expect(outcome.error.split(separator: "\n").count == 1, "\(outcome.error)")
    #expect(outcome.error.hasPrefix("epsim: ") && outcome.error.contains(part), "\(outcome.error)")
  }

  private func dictionary(_ outcome: Command) throws -> [String: Any] {
    try #require(outcome.exitCode == 0, "\(outcome.error)")
    return try #require(try Tool.json(outcome) as? [String: Any])
  }

  private func write(_ text: String, _ name: String, in folder: TemporaryFolder) throws -> String {
    try folder.write(Data(text.utf8), name)
  }

  @Test("the numbers that made a table are found again, with their intervals")
  func fit() throws {
    let folder = try TemporaryFolder()
    let path = try write(Self.table, "times.csv", in: folder)
    let figures = try dictionary(try Tool.run("calibrate", "--from", path, "--json"))
    #expect(figures["schema"] as? String == "epsim-link/1" && figures["line_rate"] is NSNull)
    #expect(figures["is_good"] as? Bool == true && figures["judged_rows"] as? Int == 50)
    let segments = try #require(figures["segments"] as? [[String: Any]])
    try #require(segments.count == 2)
    for (segment, expected) in zip(segments, Self.law) {
      let latency = try #require(segment["latency"] as? Double)
      let rate = try #require(segment["bandwidth"] as? Double)
      #expect(abs(try #require(segment["from"] as? Double) - expected.from) < 1)
      #expect(abs(latency / (expected.us * 1e-6) - 1) < 0.02)
      #expect(abs(rate / expected.rate - 1) < 0.02)
      let interval = try #require(segment["latency_ci95"] as? [Double])
      #expect(interval[0] < latency && latency < interval[1])
    }
    // Draws are a function of the seed.
    let again = try Tool.run("calibrate", "--from", path, "--json", "--seed", "1")
    #expect(try Tool.run("calibrate", "--from", path, "--json").output == again.output)
    #expect(
      try Tool.run("calibrate", "--from", path, "--json", "--seed", "2").output != again.output)

    let printed = try Tool.run("calibrate", "--from", path)
    #expect(printed.exitCode == 0 && printed.error == "", "\(printed.error)")
    #expect(printed.output.split(separator: "\n").allSatisfy { $0.count <= 100 })
    #expect(printed.output.contains("The model fits: mean error 1."), "\(printed.output)")
  }

  @Test("the links that it writes are those of a profile")
  func fragment() throws {
    let folder = try TemporaryFolder()
    let path = try write(Self.table, "times.csv", in: folder)
    let output = folder.path("link.yaml")
    let outcome = try Tool.run(
      "calibrate", "--from", path, "--line-rate", "100 Gbit/s", "--output", output)
    #expect(outcome.exitCode == 0 && outcome.error == "links of a profile: \(output)\n")
    let lines = try String(contentsOfFile: output, encoding: .utf8).split(separator: "\n")
    #expect(lines[2] == "network:" && lines[3] == "  between:")
    #expect(lines.contains("      46341 B:"))
    #expect(lines.contains { $0.contains("line_rate: { value: 12.5 GB/s") })

    // Ranks before it, a level inside behind it: a profile that validate takes.
    let ranks = """
      schema: epsim-cluster/1
      name: pasted
      about: "ranks with the links of a table"
      ranks_per_node: { value: 1 rank, assumed: "a guess of this test" }
      rank:
        name: a core
        kind: cpu
        peak: { bf16: { value: 100 GFLOP/s, assumed: "a guess of this test" } }
        efficiency: { 1 row: { value: 50 %, assumed: "a guess of this test" } }
        memory:
          bandwidth: { value: 10 GB/s, assumed: "a guess of this test" }
          size: { value: 8 GB, assumed: "a guess of this test" }

      """
    let profile = try write(
      ranks + lines.joined(separator: "\n") + "\n", "pasted.yaml", in: folder)
    let validated = try Tool.run(
      "validate", "--cluster", profile, "--model", "tiny", "--layers", "1", "--tokens", "16",
      "--workload", "uniform",
      "--steps", "2", "--warmup", "0", "--output", "-", "--dtype", "bf16")
    #expect(validated.exitCode == 0, "\(validated.error)")
    #expect(validated.output.contains("Predicted from profile pasted"), "\(validated.output)")
  }

  @Test("a line rate bounds what is fitted, and tables that beat it are refused")
  func lineRates() throws {
    let folder = try TemporaryFolder()
    let path = try write(Self.table, "times.csv", in: folder)
    expectRefusal(
      try Tool.run("calibrate", "--from", path, "--line-rate", "10 Gbit/s"),
      "accepted is at most the line rate of 1.25 GB/s")
    // Within what noise allows the line rate takes the place of the rows.
    let bounded = try Tool.run("calibrate", "--from", path, "--line-rate", "11.97 GB/s")
    #expect(bounded.exitCode == 0, "\(bounded.error)")
    #expect(bounded.output.contains("* = the line rate of 12.0 GB/s, not the rows"))
    // Times that do not grow with bytes tell no bandwidth.
    let flat = try write("bytes,us\n1,5\n2,5\n4,5\n8,5\n", "flat.csv", in: folder)
    #expect(try Tool.run("calibrate", "--from", flat).output.contains("no limit"))
  }

  @Test("what is no table, and options that a table has no use for, are refused")
  func tableRefusals() throws {
    let folder = try TemporaryFolder()
    let path = try write(Self.table, "times.csv", in: folder)
    for (text, part) in [
      ("", "there are no rows in it"), ("bytes,us\n1\n", "line 2 has 1 columns"),
      ("bytes,ms\n1,2\n", "there is no column \"us\""),
      ("bytes,us\n8,nan\n", "\"nan\" in line 2, column us"),
      ("bytes,us\n-8,1\n", "\"-8\" in line 2, column bytes"),
      ("bytes,us,peers\n8,1,0\n", "\"0\" in line 2, column peers"),
    ] {
      let wrong = try write(text, "wrong.csv", in: folder)
      expectRefusal(try Tool.run("calibrate", "--from", wrong), part)
    }
    expectRefusal(
      try Tool.run("calibrate", "--from", folder.path("none.csv")), "there is no such file")
    for (options, name) in [
      (["--exchange"], "--exchange"), (["--quick"], "--quick"), (["--model", "tiny"], "--model"),
      (["--transport", "p2p"], "--transport"), (["--hidden", "8"], "--hidden"),
      (["--top-k", "2"], "--top-k"), (["--tokens-per-rank", "8"], "--tokens-per-rank"),
      (["--steps", "9"], "--steps"), (["--dtype", "f32"], "--dtype"),
    ] {
      let outcome = try Command.run(Tool.path, ["calibrate", "--from", path] + options)
      expectRefusal(outcome, "\(name) has no effect with --from")
    }
    expectRefusal(
      try Tool.run("calibrate", "--from", path, "--line-rate", "fast"), "--line-rate is fast")
    expectRefusal(
      try Tool.run("calibrate", "--from", path, "--output", "/no such folder/x"),
      "there is no folder /no such folder")
    expectRefusal(
      try Tool.launch(2, "calibrate", "--from", path), "2 ranks have nothing to do")
  }

  @Test("published tables are predicted within what is accepted")
  func published() throws {
    let printed = try Tool.run("validate", "--published")
    #expect(printed.exitCode == 0 && printed.error == "", "\(printed.error)")
    let lines = printed.output.split(separator: "\n")
    #expect(lines.allSatisfy { $0.count <= 100 }, "\(lines.filter { $0.count > 100 })")

    let figures = try dictionary(try Tool.run("validate", "--published", "--json"))
    #expect(figures["schema"] as? String == "epsim-published/1")
    let tables = try #require(figures["tables"] as? [[String: Any]])
    #expect(tables.count == 13)
    for table in tables {
      let title = try #require(table["title"] as? String)
      let error = try #require(table["mean_absolute_error"] as? Double)
      #expect(error <= (try #require(table["bound"] as? Double)), "\(title)")
      #expect(lines.contains { $0.hasPrefix(title) && $0.hasSuffix("within") }, "\(title)")
      #expect(table["is_good"] as? Bool == true)
      // The mean is that of the judged rows that are listed.
      let rows = try #require(table["rows"] as? [[String: Any]])
      let judged = try rows.filter { $0["role"] as? String == "judged" }.map { row in
        let published = try #require(row["published"] as? Double)
        return abs(try #require(row["predicted"] as? Double) / published - 1)
      }
      #expect(table["judged_rows"] as? Int == judged.count)
      #expect(abs(judged.reduce(0, +) / Double(judged.count) - error) < 1e-12, "\(title)")
    }
  }

  @Test(
    "the tables of the documents are what the command prints",
    arguments: [
      ("docs/projection.md", "## Predicted against published"), ("README.md", "## Calibrated"),
    ])
  func documents(page: String, heading: String) throws {
    let text = try String(
      contentsOf: Command.repository.appending(path: page), encoding: .utf8)
    let start = try #require(text.range(of: heading)).upperBound
    let end = text.range(of: "\n## ", range: start..<text.endIndex)?.lowerBound ?? text.endIndex
    let shown = text[start..<end].components(separatedBy: "```").enumerated()
      .filter { !$0.offset.isMultiple(of: 2) }
      .flatMap { $0.element.split(separator: "\n") }
    #expect(shown.count > 5)
    let printed = Set(
      try Tool.run("validate", "--published").output.split(separator: "\n"))
    for line in shown { #expect(printed.contains(line), "\(page): \(line)") }
  }

  @Test("published tables take no other options")
  func publishedRefusals() throws {
    for options in [["--workload", "zipf"], ["--quick"], ["--cluster", "h800"], ["--steps=3"]] {
      expectRefusal(
        try Command.run(Tool.path, ["validate", "--published"] + options),
        "\(options[0]) has no effect with --published")
    }
    expectRefusal(try Tool.launch(2, "validate", "--published"), "2 ranks have nothing to do")
  }

  @Test("without the folder of tables it says so")
  func noTables() throws {
    let folder = try TemporaryFolder()
    let tool = folder.path("epsim")
    try FileManager.default.copyItem(atPath: Tool.path, toPath: tool)
    try FileManager.default.createDirectory(
      atPath: folder.path("models"), withIntermediateDirectories: false)
    expectRefusal(
      try Command.run(tool, ["validate", "--published"], in: folder.url),
      "no folder timings/ was found")
  }
}
