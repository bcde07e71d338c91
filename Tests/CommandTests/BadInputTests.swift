// SPDX-License-Identifier: Apache-2.0
// epsim: tests that bad input ends in one sentence, exit code 2, and leaves nothing behind.

import Foundation
import TestSupport
import Testing

@Suite("Bad input", .serialized)
struct BadInputTests {
  /// One sentence on stderr, nothing on stdout, exit code 2.
  private func expectRefusal(
    _ outcome: Command, _ part: String, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(outcome.exitCode == 2, "\(outcome.error)", sourceLocation: sourceLocation)
    #expect(outcome.output == "", sourceLocation: sourceLocation)
    let lines = outcome.error.split(separator: "\n")
    #expect(lines.count == 1, "\(outcome.error)", sourceLocation: sourceLocation)
    #expect(outcome.error.hasPrefix("epsim: "), "\(outcome.error)", sourceLocation: sourceLocation)
    #expect(outcome.error.contains(part), "\(outcome.error)", sourceLocation: sourceLocation)
  }

  @Test(
    "wrong options are refused by every command",
    arguments: [
      (["run", "--tokens", "0"], "--tokens 0"),
      (["run", "--tokens", "-5"], "--tokens -5, accepted"),
      (["run", "--tokens", "many"], "many"),
      (["run", "--tokens", "99999999999999999999"], "99999999999999999999"),
      (["run", "--steps", "0"], "--steps 0"),
      (["run", "--placement", "best"], "placement \"best\" is unknown"),
      (["run", "--placement", "contiguous,lpt"], "use epsim compare"),
      (["run", "--placement", ""], "empty entry"),
      (["run", "--replica-choice", "far"], "--replica-choice far"),
      (["run", "--wire", "fp4"], "--wire fp4"),
      (["traffic", "--case", "wire=f32"], "wire is not an option of a case"),
      (["run", "--compute", "magic"], "--compute magic"),
      (["run", "--compute", "emulated"], "needs --expert-rate"),
      (["run", "--expert-rate", "200G"], "no case has --compute emulated"),
      (["run", "--compute", "emulated", "--expert-rate", "fast"], "--expert-rate fast"),
      (["run", "--compute", "emulated", "--expert-rate", "inf"], "--expert-rate inf"),
      (["run", "--compute", "none", "--check"], "--check compares with real experts"),
      (["run", "--timing", "sundial"], "--timing sundial"),
      (["run", "--compute", "none", "--slow", "0:2"], "--slow 0:2 has no expert time"),
      (["run", "--delay", "0"], "--delay 0"),
      (["run", "--delay", "0:-5"], "--delay 0:-5"),
      (["run", "--delay", "0:nan"], "--delay 0:nan"),
      (["run", "--delay", "7:5"], "--delay 7:5 is of rank 7, accepted are 0 to 0"),
      (["run", "--slow", "0:0.5"], "--slow 0:0.5"),
      (["run", "--slow", "1:2"], "--slow 1:2 is of rank 1"),
      (["run", "--jitter", "soon"], "--jitter soon"),
      (["run", "--watchdog", "0.5"], "--watchdog 0.5"),
      (["run", "--resume", "--add-launch"], "--resume and --add-launch"),
      (["run", "--resume", "--output", "-"], "--resume adds to a record"),
      (["run", "--timeline", "/no/such/folder/t.json"], "--timeline /no/such/folder/t.json"),
      (["run", "--dtype", "int8"], "--dtype int8"),
      (["run", "--model", "gpt-5"], "model gpt-5 is unknown"),
      (["run", "--layers", "0"], "--layers 0"),
      (["run", "--layers", "1,99"], "\"99\""),
      (["run", "--workload", "normal"], "workload \"normal\" is unknown"),
      (["run", "--workload", "zipf:x"], "zipf:x"),
      (["run", "--placement", "lpt"], "live router"),
      (["run", "--fit", "third"], "--fit third"),
      (["run", "--no-such-option"], "--no-such-option"),
      (["run", "--config", "missing.yaml"], "missing.yaml"),
      (["run", "--case", "placement"], "KEY=VALUE"),
      (["run", "--assignment", "sequence", "--workload", "uniform"], "sequence needs a trace"),
      (["run", "--workload", "router:best"], "router \"router:best\" is unknown"),
      (["run", "--workload", "router:noisy:x"], "STD is \"x\""),
      (["run", "--top-k", "0"], "--top-k 0"),
      (["run", "--top-k", "65"], "1 to 64"),
      (["run", "--top-k", "7", "--workload", Tool.lawTrace], "1 to 6"),
      (["run", "--top-k", "2", "--workload", "router:switch"], "chooses 1"),
      (["run", "--capacity", "0"], "--capacity 0"),
      (["run", "--capacity", "nan"], "--capacity nan"),
      (["run", "--drop-policy", "random"], "--drop-policy random has no effect"),
      (["run", "--capacity", "1", "--drop-policy", "last"], "--drop-policy last"),
      (["run", "--capacity", "1", "--capacity-scope", "node"], "--capacity-scope node"),
      (
        ["run", "--capacity", "1", "--drop-policy", "reroute", "--workload", "zipf"],
        "reroute needs the scores"
      ),
      (["run", "--capacity", "1", "--workload", "router:expert-choice"], "have room for"),
      (["run", "--bias-update", "0"], "--bias-update 0"),
      (["run", "--bias-update", "0.1", "--workload", "zipf"], "has no router to act on"),
      (["run", "--bias-update", "0.1", "--workload", "router:hash"], "does not rank"),
      (["run", "--bias-update", "0.1", "--resume"], "--resume"),
      (["run", "--sequence-length", "64"], "has no effect without --losses"),
      (["traffic", "--workload", "uniform", "--bias-update", "0.1"], "--bias-update"),
      (["run", "--workload", "zipf", "--losses", "--sequence-length", "16"], "no probabilities"),
      (["run", "--model", "deepseek-v3", "--workload", "uniform", "--max-memory", "1"], "needs"),
      (["run", "--model", "mixtral-8x7b", "--workload", Tool.lawTrace], "must agree"),
      (["compare", "--computed-ranks", "x"], "--computed-ranks x"),
      (["traffic"], "live router"),
      (["traffic", "--workload", "uniform", "--ranks", "0"], "--ranks 0"),
      (["traffic", "--workload", "uniform", "--ranks", "4", "--nodes", "5"], "--nodes 5"),
      (["place", "--load", "missing.csv"], "missing.csv"),
      (["model", "nothing"], "model nothing is unknown"),
      (["trace", "inspect", "missing.safetensors"], "missing.safetensors"),
      (["fly"], "fly"),
    ])
  func options(arguments: [String], part: String) throws {
    expectRefusal(try Command.run(Tool.path, arguments), part)
  }

  @Test("on several ranks one of them speaks, and no record is left")
  func severalRanks() throws {
    let folder = try TemporaryFolder()
    for (options, part) in [
      (["--placement", "best"], "placement \"best\" is unknown"),
      (["--workload", "missing.safetensors"], "there is no such file"),
      (["--model", "deepseek-v3", "--workload", "uniform", "--max-memory", "1"], "needs"),
      (["--tokens", "0"], "--tokens 0"), (["--bogus"], "--bogus"),
    ] {
      let outcome = try Command.run(
        "scripts/launch",
        ["-n", "3", "--timeout", "60", "--", Tool.path, "run", "--output", folder.path("out")]
          + options)
      expectRefusal(outcome, part)
      #expect(!FileManager.default.fileExists(atPath: folder.path("out")))
    }
  }

  @Test("processes that each believe to be alone are found out")
  func singletons() throws {
    // What a launcher of another MPI library leaves: its variables, and worlds of one rank.
    for rank in 0..<2 {
      let outcome = try Command.run(
        Tool.path, ["run", "--model", "tiny"],
        environment: ["PMI_SIZE": "2", "PMI_RANK": "\(rank)"])
      if rank == 0 {
        expectRefusal(outcome, "each believes to be alone")
      } else {
        #expect(outcome.exitCode == 2 && outcome.error == "", "\(outcome.error)")
      }
    }
  }

  @Test("a trace that is cut anywhere is refused")
  func cutTrace() throws {
    let folder = try TemporaryFolder()
    let whole = try Data(
      contentsOf: Command.repository.appending(path: Tool.lawTrace))
    for length in [0, 7, 8, 100, 700, 4096, whole.count / 2, whole.count - 1] {
      let path = try folder.write(whole.prefix(length), "cut.safetensors")
      expectRefusal(
        try Tool.run("run", "--model", "tiny", "--workload", path), "cut.safetensors")
    }
  }

  @Test("a trace with an id out of range or twice the same id is refused")
  func wrongIds() throws {
    let folder = try TemporaryFolder()
    let whole = try Data(
      contentsOf: Command.repository.appending(path: Tool.lawTrace))
    let header = whole.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
    var outOfRange = whole
    outOfRange[8 + header] = 64
    expectRefusal(
      try Tool.run(
        "trace", "inspect", try folder.write(outOfRange, "range.safetensors")), "64")
    var twice = whole
    twice[8 + header] = twice[8 + header + 2]
    expectRefusal(
      try Tool.run("trace", "inspect", try folder.write(twice, "twice.safetensors")), "twice")
  }

  @Test("a foreign file is refused as a trace, a placement, a load and a configuration")
  func foreign() throws {
    let path = "README.md"
    expectRefusal(try Tool.run("trace", "inspect", path), path)
    expectRefusal(try Tool.run("place", "--load", path), path)
    let placement = try Tool.run(
      "run", "--workload", "uniform", "--placement", "./LICENSE")
    expectRefusal(placement, "LICENSE")
    expectRefusal(try Tool.run("run", "--config", "LICENSE"), "LICENSE")
  }

  @Test("an output folder that cannot be made is refused before the run")
  func unwritable() throws {
    for folder in ["LICENSE/results", "LICENSE", ""] {
      expectRefusal(try Tool.run("run", "--model", "tiny", "--output", folder), "--output")
    }
  }
}
