// SPDX-License-Identifier: Apache-2.0
// epsim: tests of epsim trace: conversion there and back, parts, generated traces, pictures.

import Foundation
import TestSupport
import Testing

@Suite("Trace commands", .serialized)
struct TraceCommandTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @discardableResult
  private func trace(_ arguments: String...) throws -> Command {
    let outcome = try Command.run(Tool.path, ["trace"] + arguments)
    #expect(outcome.exitCode == 0, "\(arguments): \(outcome.error)")
    return outcome
  }

  private func inspect(_ arguments: String...) throws -> [String: Any] {
    let outcome = try Command.run(Tool.path, ["trace", "inspect", "--json"] + arguments)
    #expect(outcome.exitCode == 0, "\(arguments): \(outcome.error)")
    return try #require(try Tool.json(outcome) as? [String: Any])
  }

  @Test("the example converts to every format and back, equal")
  func everyFormatAndBack() throws {
    let first = folder.path("first.safetensors")
    try trace("convert", Tool.lawTrace, first)
    let expected = try Data(contentsOf: URL(filePath: first))
    let say = ["--experts", "64", "--top-k", "6", "--first-layer", "1"]
    let origin = [
      "--model", "deepseek-v2-lite", "--domain", "law", "--license", "MIT", "--source",
      "github.com/deepseek-ai/ESFT commit 579a7711e4b332b4c57b47e378a0cf240d85caa6",
    ]
    for (name, isWhole) in [
      ("a.npy", false), ("scores/", true), ("a.jsonl", false), ("a.json", false),
    ] {
      let middle = folder.url.path + "/" + name
      let back = folder.path("back-\(name.prefix(3)).safetensors")
      try trace("convert", Tool.lawTrace, middle)
      let outcome = try Command.run(
        Tool.path, ["trace", "convert", middle, back] + say + origin)
      #expect(outcome.exitCode == 0, "\(name): \(outcome.error)")
      if isWhole {
        #expect(try Data(contentsOf: URL(filePath: back)) == expected, "\(name)")
      } else {
        let (own, other) = try (inspect(first), inspect(back))
        let (a, b) = (try loads(own), try loads(other))
        #expect(a == b, "\(name)")
        #expect(other["license"] as? String == "MIT" && other["tokens"] as? Int == 8327)
      }
    }
  }

  private func loads(_ record: [String: Any]) throws -> [[Int]] {
    try #require(record["layers"] as? [[String: Any]]).map { try #require($0["load"] as? [Int]) }
  }

  @Test("a preset says what a format lacks, and remarks go to stderr")
  func presets() throws {
    let array = folder.path("a.npy")
    let generated = try trace(
      "generate", array, "--model", "deepseek-v2-lite", "--workload", "zipf:0.8", "--tokens", "200",
      "--layers", "2")
    #expect(generated.output.contains("200 tokens") && generated.error.contains("weights"))
    let record = try inspect(array, "--model", "deepseek-v2-lite")
    #expect(record["experts"] as? Int == 64 && record["first_layer"] as? Int == 1)
    #expect(record["has_weights"] as? Bool == true)
    let sglang = folder.path("s.safetensors")
    let converted = try trace(
      "convert", "Tests/Fixtures/trace-formats/sglang.jsonl", sglang, "--from", "routed-experts",
      "--experts", "5", "--first-layer", "1", "--trace-layers", "4", "--skip-layers", "1",
      "--top-k", "2")
    #expect(converted.error.contains("no weights") && converted.output.contains("3 layers from 1"))
  }

  @Test("a part goes neither where the other does nor where the trace is")
  func partsApart() throws {
    let whole = folder.path("whole.safetensors")
    let line = try trace(
      "generate", whole, "--model", "tiny", "--workload", "uniform", "--tokens", "8", "--layers",
      "1")
    #expect(line.output.contains("8 tokens in 1 sequence, 1 layer from 1 on"), "\(line.output)")
    let link = folder.path("link")
    try FileManager.default.createSymbolicLink(
      atPath: link, withDestinationPath: folder.url.path)
    let a = folder.path("a.safetensors")
    for (first, second, part) in [
      (a, folder.url.path + "/./a.safetensors", "both parts would go there"),
      (a, link + "/a.safetensors", "both parts would go there"),
      (link + "/whole.safetensors", a, "this is the trace to read"),
      (a, folder.url.path + "//whole.safetensors", "this is the trace to read"),
    ] {
      let outcome = try Command.run(
        Tool.path, ["trace", "split", whole, "--at", "0.5", first, second])
      #expect(outcome.exitCode == 2 && outcome.error.contains(part), "\(outcome.error)")
      #expect(!FileManager.default.fileExists(atPath: a))
    }
  }

  @Test("a generated trace is counted like its generator, and runs")
  func generatedTraces() throws {
    let path = folder.path("z.safetensors")
    try trace(
      "generate", path, "--model", "tiny", "--workload", "zipf:1.1", "--tokens", "256", "--seed",
      "5")
    func counters(_ workload: String) throws -> Int {
      let outcome = try Tool.run(
        "traffic", "--model", "tiny", "--workload", workload, "--seed", "5", "--tokens", "256",
        "--fit", "all", "--ranks", "4", "--json")
      #expect(outcome.exitCode == 0, "\(outcome.error)")
      let records = try #require(try Tool.json(outcome) as? [[String: Any]])
      return try #require(records[0]["sum_local"] as? Int)
    }
    #expect(try counters(path) == counters("zipf:1.1"))
    let run = try Tool.run(
      "run", "--model", "tiny", "--workload", path, "--tokens", "64", "--steps", "1", "--warmup",
      "0", "--compute", "none", "--output", "-")
    #expect(run.exitCode == 0, "\(run.error)")
  }

  @Test("samples and both sides of a cut are traces")
  func parts() throws {
    let (a, b) = (folder.path("a.safetensors"), folder.path("b.safetensors"))
    try trace("split", Tool.lawTrace, "--at", "0.25", a, b)
    #expect(try inspect(a)["tokens"] as? Int == 2082 && inspect(b)["tokens"] as? Int == 6245)
    try trace("split", Tool.lawTrace, "--at", "4000", "--by", "sequence", a, b)
    let (first, second) = try (inspect(a), inspect(b))
    #expect(first["sequences"] as! Int + (second["sequences"] as! Int) == 33)
    #expect(first["tokens"] as! Int + (second["tokens"] as! Int) == 8327)
    try trace("sample", Tool.lawTrace, a, "--tokens", "500", "--seed", "3")
    try trace("sample", Tool.lawTrace, b, "--tokens", "500", "--seed", "3")
    #expect(try Data(contentsOf: URL(filePath: a)) == Data(contentsOf: URL(filePath: b)))
    #expect(try inspect(a)["tokens"] as? Int == 500)
    try trace("sample", Tool.lawTrace, b, "--tokens", "500", "--by", "sequence")
    #expect(try #require(try inspect(b)["tokens"] as? Int) >= 500)
  }

  @Test("inspect draws in 100 columns")
  func pictures() throws {
    let outcome = try trace("inspect", Tool.lawTrace, "--layer", "19", "--windows", "3")
    let lines = outcome.output.split(separator: "\n")
    #expect(lines.allSatisfy { $0.count <= 100 })
    for part in ["load / mean load", "Fan-out", "together in layer 19", "Drift", "max/mean", "█"] {
      #expect(outcome.output.contains(part), "\(part)")
    }
    let ascii = try trace("inspect", Tool.lawTrace, "--ascii")
    #expect(ascii.output.utf8.allSatisfy { $0 < 0x80 } && ascii.output.contains("#####"))

    let record = try inspect(Tool.lawTrace, "--windows", "3")
    #expect((record["drift"] as? [Any])?.count == 3)
    let fanOut = try #require(record["fan_out"] as? [[String: Any]])
    #expect(fanOut.map { $0["ranks"] as? Int } == [2, 4, 8, 16, 32, 64])
    let pairs = try #require(record["co_activation"] as? [String: Any])
    #expect(pairs["layer"] as? Int == 24 && (pairs["strongest"] as? [Any])?.count == 10)
    // 256 experts share cells of four.
    let wide = folder.path("w.safetensors")
    try trace(
      "generate", wide, "--model", "deepseek-v3", "--workload", "uniform", "--tokens", "64",
      "--layers", "3")
    let text = try trace("inspect", wide).output
    #expect(text.contains("a column per 4 experts"))
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 100 })
  }

  @Test(
    "bad input is refused in one sentence, exit code 2, and nothing is written",
    arguments: [
      (["inspect", Tool.lawTrace, "--layer", "0"], "--layer 0"),
      (["inspect", Tool.lawTrace, "--windows", "0"], "--windows 0"),
      (["inspect", Tool.lawTrace, "--experts", "8"], "--experts says 8, the trace says 64"),
      (["inspect", Tool.lawTrace, "--from", "npy"], "no .npy file"),
      (["inspect", Tool.lawTrace, "--from", "excel"], "--from \"excel\""),
      (["inspect", "README.md"], "--from"),
      (["inspect", "Sources"], "a folder without"),
      (["convert", Tool.lawTrace, "OUT.bin"], "--to"),
      (["convert", Tool.lawTrace, "OUT", "--to", "csv"], "--to \"csv\""),
      (["convert", Tool.lawTrace, "OUT/no/such.npy"], "cannot be written"),
      (["convert", Tool.lawTrace, "OUT.npy", "--weights", "w.npy"], "--weights is of"),
      (["convert", "Tests/Fixtures/trace-formats/ids-u1.npy", "OUT.npy"], "--experts"),
      (["convert", "Tests/Fixtures/trace-formats/fortran.npy", "OUT.npy"], "fortran_order"),
      (
        ["convert", "Tests/Fixtures/trace-formats/ids-u1.npy", "OUT.npy", "--experts", "0"],
        "--experts 0"
      ),
      (
        [
          "convert", "Tests/Fixtures/trace-formats/ids-u1.npy", "OUT.npy", "--experts", "3",
          "--first-layer", "0",
        ], "expert id"
      ),
      (
        ["generate", "OUT.npy", "--model", "tiny", "--workload", "uniform", "--tokens", "0"],
        "--tokens 0"
      ),
      (
        ["generate", "OUT.npy", "--model", "tiny", "--workload", Tool.lawTrace, "--tokens", "9"],
        "a generator is needed"
      ),
      (["sample", Tool.lawTrace, "OUT.npy", "--tokens", "9000"], "--tokens 9000"),
      (["sample", Tool.lawTrace, "OUT.npy", "--tokens", "9", "--by", "word"], "--by word"),
      (["split", Tool.lawTrace, "--at", "1.5", "OUT.npy", "OUT2.npy"], "--at 1.5"),
      (["split", Tool.lawTrace, "--at", "0", "OUT.npy", "OUT2.npy"], "--at 0"),
      (["split", Tool.lawTrace, "--at", "10", "OUT.npy", "OUT.npy"], "two outputs"),
    ] as [([String], String)])
  func refusals(arguments: [String], part: String) throws {
    let outcome = try Command.run(
      Tool.path,
      ["trace"] + arguments.map { $0.hasPrefix("OUT") ? folder.path($0) : $0 })
    #expect(outcome.exitCode == 2 && outcome.output == "", "\(outcome.output)")
    let sentences = outcome.error.split(separator: "\n")
    #expect(
      sentences.count == 1 && sentences[0].hasPrefix("epsim: ") && sentences[0].contains(part),
      "\(outcome.error)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path).isEmpty)
  }

  @Test(
    "help teaches by example", arguments: ["inspect", "convert", "generate", "sample", "split"])
  func help(command: String) throws {
    let outcome = try Tool.run("trace", command, "--help")
    #expect(outcome.exitCode == 0)
    #expect(outcome.output.contains("Example") && outcome.output.contains("epsim trace \(command)"))
  }
}
