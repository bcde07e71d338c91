// SPDX-License-Identifier: Apache-2.0
// epsim: tests of `epsim run` and `epsim compare` as a person uses them.

import Foundation
import TestSupport
import Testing

@Suite("run and compare", .serialized)
struct RunCommandTests {
  @Test("the record holds every documented key, and the digest is that of one rank")
  func record() throws {
    let folder = try TemporaryFolder()
    let options = [
      "--model", "tiny", "--workload", Tool.lawTrace, "--layers", "1,19", "--tokens", "64",
      "--steps", "8", "--check",
    ]
    let placements = ["--placement", "contiguous,lpt,eplb+8", "--replica-choice", "nearest"]
    let arguments = ["compare"] + options + placements
    let many = try Command.run(
      "scripts/launch",
      ["-n", "3", "--timeout", "120", "--", Tool.path] + arguments + ["--output", folder.path("3")])
    #expect(many.exitCode == 0, "\(many.error)")
    #expect(many.output.split(separator: "\n").allSatisfy { $0.count <= 100 }, "\(many.output)")
    let one = try Command.run(Tool.path, arguments + ["--output", folder.path("1"), "--json"])
    #expect(one.exitCode == 0, "\(one.error)")

    let written = try JSONSerialization.jsonObject(
      with: Data(contentsOf: URL(filePath: folder.path("3/record.json"))))
    let record = try #require(written as? [String: Any])
    #expect(record["schema"] as? String == "epsim-run/1")
    let environment = try #require(record["environment"] as? [String: Any])
    for key in [
      "mpi", "backend", "isa", "ranks", "nodes", "hosts", "cores", "functional_only", "threads",
      "clock_error_us",
    ] { #expect(environment[key] != nil, "environment.\(key)") }
    let cores = try #require(environment["cores"] as? Int)
    #expect(environment["functional_only"] as? Bool == (cores < 3))
    let cases = try #require(record["cases"] as? [[String: Any]])
    #expect(cases.map { $0["placement"] as? String } == ["contiguous", "lpt", "eplb+8"])
    for key in [
      "name", "placement", "replica_choice", "dedup", "transport", "wire", "combine",
      "combine_wire", "chunks", "capacity", "compute", "step_us", "phases_us", "dispatch_us",
      "combine_us", "shares", "bytes", "wire_bytes", "messages", "bandwidth", "copies", "load",
      "fan_out", "dropped", "output_digest",
      "reference_error",
    ] { #expect(cases[0][key] != nil, "cases.\(key)") }
    let shares = try #require(cases[1]["shares"] as? [String: Double])
    #expect(abs(shares.values.reduce(0, +) - 1) < 1e-9)

    let alone = try #require(try Tool.json(one) as? [String: Any])
    let digests = (cases + (try #require(alone["cases"] as? [[String: Any]]))).map {
      $0["output_digest"] as? String
    }
    #expect(Set(digests).count == 1, "\(digests)")
  }

  @Test("the timeline shows every phase of every rank, and recording costs less than 1 %")
  func timeline() throws {
    let folder = try TemporaryFolder()
    let outcome = try Command.run(
      "scripts/launch",
      [
        "-n", "2", "--timeout", "60", "--", Tool.path, "run", "--model", "tiny", "--layers", "2",
        "--workload", "zipf:1", "--steps", "3", "--output", folder.path("out"), "--timeline",
        folder.path("run.json"),
      ])
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    #expect(outcome.error.contains("timeline: \(folder.path("run.json"))"))
    let trace = try JSONSerialization.jsonObject(
      with: Data(contentsOf: URL(filePath: folder.path("run.json"))))
    let events = try #require((trace as? [String: Any])?["traceEvents"] as? [[String: Any]])
    let experts = events.filter { $0["ph"] as? String == "X" && $0["name"] as? String == "expert" }
    #expect(experts.count == 2 * 2 * 3)
    #expect(Set(experts.compactMap { $0["tid"] as? Int }).count == 2)

    let written = try JSONSerialization.jsonObject(
      with: Data(contentsOf: URL(filePath: folder.path("out/record.json"))))
    let record = try #require(written as? [String: Any])
    #expect(record["complete"] as? Bool == true)
    #expect((record["groups"] as? [[String: Any]])?.map { $0["rounds"] as? Int } == [3])
    let cases = try #require(record["cases"] as? [[String: Any]])
    let checks = try #require(cases[0]["checks"] as? [String: Any])
    #expect(try #require(checks["recording_share"] as? Double) < 0.01)
    #expect(checks["backward_stamps"] as? Int == 0)
    #expect(checks["causality_violations"] as? Int == 0)
    #expect(try #require(checks["causality_checks"] as? Int) == 2 * 2 * 3)
  }

  @Test("a configuration file gives options and the command line overrides them")
  func configuration() throws {
    let folder = try TemporaryFolder()
    let yaml = """
      model: tiny
      layers: 1-2
      tokens: 32
      steps: 8
      workload: zipf:1.2
      check: true
      output: "-"
      json: true
      cases:
        - placement: contiguous
        - { placement: eplb+4, replica_choice: nearest }
        - { placement: lpt, wire: f32 }
      """
    let path = try folder.write(Data(yaml.utf8), "run.yaml")
    let outcome = try Tool.run("compare", "--config", path, "--tokens", "48")
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    let record = try #require(try Tool.json(outcome) as? [String: Any])
    let cases = try #require(record["cases"] as? [[String: Any]])
    #expect(cases.map { $0["placement"] as? String } == ["contiguous", "eplb+4", "lpt"])
    #expect(cases[1]["replica_choice"] as? String == "nearest")
    #expect(cases[2]["wire"] as? String == "f32")
    let workload = try #require(record["workload"] as? [String: Any])
    #expect(workload["tokens_per_step"] as? Int == 48)
  }

  @Test("run prints a table of phases and its layers, ranks and shares")
  func table() throws {
    let outcome = try Tool.run(
      "run", "--model", "tiny", "--layers", "2", "--tokens", "32", "--steps", "8", "--output", "-")
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    for word in ["dispatch", "combine", "expert", "other", "per layer", "per rank", "digest"] {
      #expect(outcome.output.contains(word), "\(word)")
    }
  }

  @Test("more ranks than cores are labelled")
  func oversubscribed() throws {
    let ranks = ProcessInfo.processInfo.activeProcessorCount + 1
    let outcome = try Tool.launch(
      ranks, "run", "--model", "tiny", "--layers", "1", "--tokens", "16", "--steps", "1",
      "--warmup", "0", "--output", "-")
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    #expect(outcome.output.contains("FUNCTIONAL ONLY, NOT A TIMING"))
  }

  @Test(
    "the shipped example runs, cut short", arguments: ["placement.yaml", "placement-full.yaml"])
  func examples(name: String) throws {
    // The full-size model takes minutes; the options are those of the file all the same.
    let outcome = try Tool.launch(
      2, "compare", "--config", "examples/\(name)", "--model", "tiny", "--tokens", "64",
      "--output", "-")
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    #expect(outcome.output.contains("eplb+8"))
    #expect(outcome.output.contains("computed from the workload"))
  }

  @Test("the example of exchanges runs, cut short, and says which is fastest where")
  func exchangeExample() throws {
    let outcome = try Tool.launch(
      2, "compare", "--config", "examples/exchange.yaml", "--model", "tiny", "--output", "-")
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    for word in ["dedup rank shm+p2p", "rows per peer", "1024 tokens a step", "*"] {
      #expect(outcome.output.contains(word), "\(word)")
    }
    #expect(outcome.output.contains("fastest") || outcome.output.contains("no difference"))
  }
}
