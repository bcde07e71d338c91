// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the options that say how rows travel, as a person uses them.

import Foundation
import TestSupport
import Testing

@Suite("Exchange options", .serialized)
struct ExchangeCommandTests {
  /// A run so small that it only shows what the options make of it.
  private static let small = [
    "--workload", "uniform", "--layers", "1", "--tokens", "16", "--steps", "1", "--warmup", "0",
    "--output", "-", "--json",
  ]

  private func cases(_ outcome: Command) throws -> [[String: Any]] {
    try #require(outcome.exitCode == 0, "\(outcome.error)")
    let record = try #require(try Tool.json(outcome) as? [String: Any])
    return try #require(record["cases"] as? [[String: Any]])
  }

  private func expectRefusal(_ arguments: [String], _ part: String) throws {
    let outcome = try Command.run(Tool.path, arguments)
    #expect(outcome.exitCode == 2, "\(arguments): \(outcome.error)")
    #expect(outcome.output == "")
    #expect(outcome.error.split(separator: "\n").count == 1, "\(outcome.error)")
    #expect(outcome.error.hasPrefix("epsim: ") && outcome.error.contains(part), "\(outcome.error)")
  }

  @Test(
    "values that no exchange has are refused",
    arguments: [
      ("--dedup", "expert", "accepted are none, rank, node"),
      ("--dedup", "auto", "--dedup auto needs --exchange-table FILE, measure one with epsim"),
      ("--transport", "shm", "accepted are alltoallv, p2p, shm+alltoallv, shm+p2p, padded"),
      ("--wire", "fp4", "accepted are f32, bf16, fp8"),
      ("--combine", "sum", "accepted are exact, pre-reduced"),
      ("--combine-wire", "fp8", "accepted are f32, bf16"),
      ("--chunks", "0", "--chunks 0, accepted are 1 to 64"),
      ("--chunks", "65", "--chunks 65, accepted"), ("--chunks", "2.5", "--chunks 2.5"),
      ("--chunks", "99999999999999999999", "accepted are 1 to 64"),
      ("--poll", "often", "accepted are on, off"), ("--poll", "off", "without --chunks of 2"),
      ("--transport", "p2p,", "empty entry"),
    ])
  func values(option: String, value: String, part: String) throws {
    try expectRefusal(["run", option, value], part)
  }

  @Test(
    "values that do not go together are refused in one sentence",
    arguments: [
      ("--combine pre-reduced", "--combine pre-reduced"),
      ("--transport allgather --dedup rank", "--transport allgather"),
      ("--transport allgather --combine-wire bf16", "--transport allgather"),
      ("--transport padded --dedup node", "--transport padded"),
      ("--chunks 2 --dedup node", "--chunks 2"),
      ("--chunks 4 --transport shm+p2p", "--chunks 4"),
      ("--case chunks=2,dedup=node", "--case chunks=2,dedup=node: --chunks 2"),
      ("--chunks 2 --timing barrier", "--timing barrier stops before every exchange"),
      ("--dedup node,rank --transport allgather", "none of 2 cases can run"),
    ])
  func contradictions(options: String, part: String) throws {
    try expectRefusal(["compare"] + options.split(separator: " ").map(String.init), part)
  }

  @Test("an option of the exchange belongs to commands that run")
  func commands() throws {
    try expectRefusal(["traffic", "--workload", "uniform", "--dedup", "rank"], "--dedup")
    try expectRefusal(["traffic", "--case", "transport=p2p"], "transport is not an option")
  }

  @Test("lists leave out what does not go together, with one note; the names tell the others")
  func lists() throws {
    let outcome = try Command.run(
      "scripts/launch",
      ["-n", "2", "--timeout", "60", "--", Tool.path, "compare"] + Self.small
        + [
          "--dedup", "none,rank", "--combine", "exact,pre-reduced", "--transport", "p2p,alltoallv",
        ])
    let notes = outcome.error.split(separator: "\n").filter { $0.hasPrefix("left out") }
    #expect(notes.count == 1, "\(outcome.error)")
    #expect(notes.first?.contains("left out: 2 of 8 cases") == true, "\(outcome.error)")
    #expect(notes.first?.contains("--combine pre-reduced adds up") == true, "\(outcome.error)")
    let cases = try cases(outcome)
    #expect(
      cases.map { $0["name"] as? String } == [
        "no dedup p2p exact", "no dedup alltoallv exact", "dedup rank p2p exact",
        "dedup rank p2p pre-reduced", "dedup rank alltoallv exact",
        "dedup rank alltoallv pre-reduced",
      ])
    // What each sends follows from the choices.
    for entry in cases {
      let copies = try #require(entry["copies"] as? [String: [String: Double]])
      let isReduced = entry["combine"] as? String == "pre-reduced"
      let dedup = entry["dedup"] as? String == "rank" ? "off_rank_rank_dedup" : "off_rank"
      #expect(copies["travelled"]?["dispatch"] == copies[dedup]?["dispatch"])
      #expect(
        copies["travelled"]?["combine"] == copies[isReduced ? dedup : "off_rank"]?["combine"])
    }
  }

  @Test("chunks and polls stand in names and records; one chunk is not polled")
  func chunks() throws {
    let outcome = try Command.run(
      "scripts/launch",
      ["-n", "2", "--timeout", "60", "--", Tool.path, "compare"] + Self.small
        + ["--chunks", "1,2", "--poll", "on,off"])
    let cases = try cases(outcome)
    #expect(
      cases.map { $0["name"] as? String } == [
        "one chunk", "2 chunks polled", "2 chunks unpolled",
      ])
    #expect(cases.map { $0["poll"] as? String } == [nil, "on", "off"])
    #expect(cases[0]["overlap"] is NSNull && cases[0]["poll"] is NSNull)
    #expect(Set(cases.map { $0["output_digest"] as? String }).count == 1)
    for entry in cases.dropFirst() {
      let overlap = try #require(entry["overlap"] as? [String: Double])
      let exchanges = ["dispatch_us", "combine_us"].compactMap {
        (entry[$0] as? [String: Double])?["total"]
      }
      #expect(overlap["hidden_share"] != nil && overlap["in_flight_us"]! > 0)
      // Means of medians and medians of means of few steps.
      #expect(overlap["exposed_us"]! > 0 && exchanges.reduce(0, +) > 0)
    }
  }

  @Test("every option stands in the record and in the names of cases")
  func names() throws {
    let lists = [
      "--case", "dedup=none", "--case", "dedup=rank,transport=p2p,wire=f32,combine-wire=bf16",
    ]
    let listed = try cases(Command.run(Tool.path, ["compare"] + Self.small + lists))
    #expect(
      listed.map { $0["name"] as? String } == [
        "no dedup alltoallv default combine f32", "dedup rank p2p f32 combine bf16",
      ])
    let entry = listed[1]
    #expect(entry["dedup"] as? String == "rank" && entry["transport"] as? String == "p2p")
    #expect(entry["wire"] as? String == "f32" && entry["combine"] as? String == "exact")
    #expect(entry["combine_wire"] as? String == "bf16" && entry["chunks"] as? Int == 1)
    let bandwidth = try #require(entry["bandwidth"] as? [String: Double])
    #expect(try #require(bandwidth["logical"]) > 0 && bandwidth["off_rank"] == 0)
  }

  @Test("bytes on the wire are those of the rows that left")
  func bytes() throws {
    let outcome = try Command.run(
      "scripts/launch",
      ["-n", "2", "--timeout", "60", "--", Tool.path, "compare"] + Self.small
        + ["--wire", "f32,bf16"])
    let (wide, narrow) = (try cases(outcome)[0], try cases(outcome)[1])
    func figure(_ entry: [String: Any], _ key: String, _ part: String) throws -> [String: Double] {
      try #require((entry[key] as? [String: Any])?[part] as? [String: Double], "\(key).\(part)")
    }
    // tiny has rows of 64 values; results return in f32.
    let rows = try figure(wide, "copies", "travelled")
    #expect(try rows == figure(wide, "copies", "off_rank") && rows["dispatch"]! > 0)
    #expect(try figure(wide, "wire_bytes", "off_rank") == rows.mapValues { $0 * 256 })
    let bytes = try figure(narrow, "wire_bytes", "off_rank")
    #expect(bytes["dispatch"] == rows["dispatch"]! * 128)
    #expect(bytes["combine"] == rows["combine"]! * 256)
    let messages = try #require(wide["messages"] as? [String: Double])
    #expect(messages == ["dispatch": 2, "combine": 2])
  }

  @Test("a file gives them as the command line does")
  func file() throws {
    let folder = try TemporaryFolder()
    let yaml = """
      workload: uniform
      layers: 1
      tokens: 16
      steps: 1
      warmup: 0
      output: "-"
      json: true
      dedup: none
      transport: alltoallv
      combine_wire: f32
      chunks: 1
      wire: [f32, bf16]
      """
    let path = try folder.write(Data(yaml.utf8), "run.yaml")
    let listed = try cases(Tool.run("compare", "--config", path))
    #expect(listed.map { $0["wire"] as? String } == ["f32", "bf16"])
    let wrong = try folder.write(Data((yaml + "\ncombine: pre-reduced").utf8), "wrong.yaml")
    try expectRefusal(["compare", "--config", wrong], "none of 2 cases can run")
  }
}
