// SPDX-License-Identifier: Apache-2.0
// epsim: tests of options from a YAML file.

import Foundation
import TestSupport
import Testing

@Suite("Configuration file", .serialized)
struct ConfigFileTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// A small run that prints its record, with more lines.
  private func file(_ lines: String) throws -> String {
    let yaml = """
      model: tiny
      workload: uniform
      layers: 1
      steps: 1
      warmup: 0
      json: true

      """
    return try folder.write(Data((yaml + lines + "\n").utf8), "run.yaml")
  }

  private func record(_ outcome: Command) throws -> [String: Any] {
    try #require(outcome.exitCode == 0, "\(outcome.error)")
    return try #require(try Tool.json(outcome) as? [String: Any])
  }

  private func placements(_ outcome: Command) throws -> [String?] {
    let cases = try #require(try record(outcome)["cases"] as? [[String: Any]])
    return cases.map { $0["placement"] as? String }
  }

  /// One sentence on stderr, nothing on stdout, exit code 2.
  private func expectRefusal(_ outcome: Command, _ part: String) {
    #expect(outcome.exitCode == 2, "\(part): \(outcome.output)\(outcome.error)")
    #expect(outcome.output == "", "\(part)")
    #expect(outcome.error.split(separator: "\n").count == 1, "\(outcome.error)")
    #expect(outcome.error.hasPrefix("epsim: "), "\(outcome.error)")
    #expect(outcome.error.contains(part), "\(outcome.error)")
  }

  @Test("a file before the subcommand serves the run as one behind it")
  func beforeSubcommand() throws {
    let path = try file("tokens: 16\noutput: \"-\"")
    for outcome in [
      try Tool.run("--config", path, "run"), try Tool.run("--config=\(path)", "compare"),
      try Tool.launch(2, "--config", path, "run"),
    ] {
      let workload = try #require(try record(outcome)["workload"] as? [String: Any])
      #expect(workload["tokens_per_step"] as? Int == 16)
    }
  }

  @Test("any other option before the subcommand is refused")
  func optionsBeforeSubcommand() throws {
    expectRefusal(try Tool.run("--model", "tiny", "run"), "--model")
    expectRefusal(try Tool.run("--json", "run"), "--json")
    let path = try file("tokens: 16")
    expectRefusal(try Tool.run("--config", path, "--model", "tiny", "run"), "--model")
    expectRefusal(try Tool.run("--config", path), "--model")
    expectRefusal(try Tool.run("--config"), "--config needs")
  }

  @Test("help is asked for by the first word or a flag, not by a value")
  func help() throws {
    let output = folder.path("help")
    let outcome = try Command.run(
      Tool.path, ["run", "--tokens", "8", "--steps", "1", "--output", "help"],
      environment: ["EPSIM_HOME": Command.repository.path], in: folder.url)
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    #expect(FileManager.default.fileExists(atPath: output + "/record.json"))
    for arguments in [["help"], ["help", "run"], ["run", "--help"], ["run", "-h"]] {
      let outcome = try Command.run(Tool.path, arguments)
      #expect(outcome.exitCode == 0 && outcome.output.contains("USAGE:"), "\(arguments)")
    }
    expectRefusal(try Tool.run("run", "help"), "help")
  }

  @Test("tokens of the command line override the file's in either form")
  func tokens() throws {
    for (line, option) in [
      ("tokens: 16", "--tokens-per-rank=24"), ("tokens_per_rank: 16", "--tokens=24"),
      ("tokens-per-rank: 16", "--tokens-per-rank=24"),
    ] {
      let path = try file(line + "\noutput: \"-\"")
      let workload = try record(try Tool.run("run", "--config", path, option))["workload"]
      #expect((workload as? [String: Any])?["tokens_per_step"] as? Int == 24, "\(line)")
    }
  }

  @Test("cases of the command line override the file's in either form")
  func cases() throws {
    let common = "tokens: 16\noutput: \"-\"\n"
    var path = try file(common + "placement: [contiguous, round-robin]\nwire: [f32, bf16]")
    #expect(
      try placements(
        try Tool.run(
          "compare", "--config", path, "--case", "placement=random:3", "--case",
          "placement=contiguous")) == ["random:3", "contiguous"])

    path = try file(
      common + "cases: [{placement: contiguous}, {placement: 'random:3', wire: f32}]")
    #expect(try placements(try Tool.run("compare", "--config", path)).count == 2)
    #expect(
      try placements(try Tool.run("compare", "--config", path, "--case", "placement=round-robin"))
        == ["round-robin"])
    #expect(
      try placements(
        try Tool.run("compare", "--config", path, "--placement", "round-robin,contiguous"))
        == ["round-robin", "contiguous"])
    for option in ["--wire=f32", "--replica-choice=nearest"] {
      #expect(try placements(try Tool.run("compare", "--config", path, option)) == ["contiguous"])
    }

    path = try file(common + "placement: [contiguous, round-robin]")
    #expect(
      try placements(try Tool.run("compare", "--config", path, "--wire", "f32"))
        == ["contiguous", "round-robin"])
  }

  @Test("losses of a file are those of the command line")
  func losses() throws {
    // Looked-up choices have loads and no probabilities.
    let path = try file("tokens: 16\noutput: \"-\"\nlosses: true")
    let cases = try #require(
      try record(try Tool.run("run", "--config", path))["cases"] as? [[String: Any]])
    #expect(cases[0]["balance"] is [[String: Any]])
  }

  @Test("flags follow YAML's booleans, and a word in quotes is a value")
  func flags() throws {
    for (word, isOn) in [
      ("yes", true), ("True", true), ("on", true), ("no", false), ("False", false),
    ] {
      let path = try file("tokens: 8\noutput: \"-\"\ncheck: \(word)")
      let cases = try record(try Tool.run("run", "--config", path))["cases"] as? [[String: Any]]
      #expect((cases?.first?["reference_error"] is Double) == isOn, "\(word)")
    }
    expectRefusal(try Tool.run("run", "--config", try file("check: \"true\"")), "--check")
    let output = folder.path("true")
    let path = try file("tokens: 8\noutput: \"\(output)\"\nfit: \"no\"")
    expectRefusal(try Tool.run("run", "--config", path), "--fit no")
  }

  @Test(
    "what is no option's value is refused by its key",
    arguments: [
      ("typo-key: false", "typo-key"), ("typo-key: true", "typo-key"), ("typo-key: 3", "typo-key"),
      ("output: no", "output is given yes or no"), ("tokens: true", "tokens is given yes or no"),
      ("placement: [lpt, off]", "placement is given yes or no"), ("check: maybe", "--check"),
      ("check: [true]", "check is given yes or no"),
      ("cases: [{wire: no}]", "wire is given yes or no"),
      ("tokens:", "tokens has no value"), ("fit: ~", "fit has no value"),
      ("check: null", "check has no value"), ("placement: [lpt, null]", "placement has no value"),
      ("cases: [{wire: }]", "wire has no value"), ("placement: []", "placement must be"),
      ("cases: []", "cases must be"), ("cases:", "cases must be"), ("cases: [{}]", "--case"),
      ("case: [wire=f32, wire=bf16]", "cases must be"), ("tokens: {a: 1}", "tokens must be"),
      ("help: true", "help belongs"), ("help: x", "help belongs"),
      ("help_hidden: x", "help_hidden"),
      ("version: 1", "version belongs"), ("config: other.yaml", "config belongs"),
      ("tokens: 8\ntokens: 9", "tokens"), ("tokens: 8\n'tokens': 9", "tokens"),
      ("tokens-per-rank: 8\ntokens_per_rank: 9", "--tokens-per-rank twice"),
      ("cases: [{wire: f32}]\ncase: wire=f32", "--case twice"),
      ("cases: [{wire: f32, wire: bf16}]", "wire"), ("[a]: 1\n[a]: 2", "run.yaml"),
      ("{a: 1}: 1\n{a: 1}: 2\n{b: 1}: 1\n{b: 1}: 2", "run.yaml"), ("\"\": 1", "not a word"),
      ("-tokens: 8", "not a word"), ("<<: {tokens: 8}", "not a word"),
    ])
  func refused(lines: String, part: String) throws {
    expectRefusal(try Tool.run("run", "--config", try file(lines)), part)
  }

  @Test("a command of one process refuses the same")
  func planning() throws {
    let path = try file("typo-key: false")
    expectRefusal(try Tool.run("traffic", "--config", path), "typo-key")
  }
}
