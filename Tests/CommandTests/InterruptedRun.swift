// SPDX-License-Identifier: Apache-2.0
// epsim: a run on two ranks that a test interrupts, and what it leaves in its folder.

import Foundation
import Synchronization
import TestSupport
import Testing

/// Options and output folder of a run that is interrupted and resumed.
struct InterruptedRun {
  /// What the tests read of a record.
  struct Record: Decodable {
    struct Group: Decodable {
      let kind: String
      let rounds: Int
    }
    struct Case: Decodable {
      struct Samples: Decodable { let samples: [Double] }
      let outputDigest: String
      let stepUs: Samples
      let referenceError: Double?
    }
    let complete: Bool
    let groups: [Group]
    let cases: [Case]

    init(_ json: Data) throws {
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      self = try decoder.decode(Record.self, from: json)
    }

    var rounds: Int { groups.reduce(0) { $0 + $1.rounds } }
  }

  let folder: TemporaryFolder
  /// What decides the output, the same in every launch.
  let options: [String]
  /// What makes a phase long.
  let disturbance: [String]
  let steps: Int

  /// Two cases, so that a round is more than a step.
  init(_ options: [String], _ disturbance: [String] = [], steps: Int = 8) throws {
    folder = try TemporaryFolder()
    self.options =
      ["--model", "tiny", "--placement", "contiguous,round-robin", "--computed-ranks", "none"]
      + options
    self.disturbance = disturbance
    self.steps = steps
  }

  var samplesPath: String { folder.path("samples.safetensors") }
  var recordPath: String { folder.path("record.json") }
  var hasSamples: Bool { FileManager.default.fileExists(atPath: samplesPath) }

  /// The command of a launch.
  func command(_ more: [String] = []) -> [String] {
    [Tool.path, "compare"] + options + disturbance
      + ["--steps", "\(steps)", "--output", folder.url.path] + more
  }

  func start(ranks: Int = 2, _ more: [String] = []) throws -> RunningCommand {
    try RunningCommand(
      "scripts/launch", ["-n", "\(ranks)", "--timeout", "60", "--"] + command(more))
  }

  /// Starts it, and waits until its preparation is over: a round is on disk.
  func startAndMeasure(ranks: Int = 2, _ more: [String] = []) throws -> RunningCommand {
    let running = try start(ranks: ranks, more)
    try waitForSamples(of: running)
    return running
  }

  /// Waits until a round is on disk.
  func waitForSamples(of running: RunningCommand) throws {
    let isThere = running.wait(30) { hasSamples }
    guard isThere, running.isRunning else {
      running.send(SIGTERM)
      let outcome = try running.end()
      Issue.record("ended before it was interrupted, or measured nothing: \(outcome.error)")
      throw CancellationError()
    }
  }

  /// The processes of the ranks, once all are there.
  func ranks(of running: RunningCommand, count: Int = 2) throws -> [Int32] {
    var found: [Int32] = []
    _ = try running.wait(30) {
      found = try running.processes(running: Tool.path)
      return found.count == count
    }
    try #require(found.count == count)
    return found
  }

  func resume() throws -> Command {
    try Command.run(
      "scripts/launch", ["-n", "2", "--timeout", "60", "--"] + command(["--resume"]))
  }

  /// The record as it lies there; nil where there is none.
  func record() throws -> Record? {
    guard FileManager.default.fileExists(atPath: recordPath) else { return nil }
    return try Record(Data(contentsOf: URL(filePath: recordPath)))
  }

  /// The digests of all cases in a run of one rank that nothing disturbs.
  func undisturbedDigests() throws -> [String] {
    if let known = Self.digests.withLock({ $0[options] }) { return known }
    let outcome = try Command.run(
      Tool.path, ["compare"] + options + ["--steps", "1", "--output", "-", "--json"])
    try #require(outcome.exitCode == 0, "\(outcome.error)")
    let record = try Record(Data(outcome.output.utf8))
    let digests = record.cases.map(\.outputDigest)
    Self.digests.withLock { $0[options] = digests }
    return digests
  }

  /// What was computed already, by options.
  private static let digests = Mutex<[[String]: [String]]>([:])

  /// Expects what an interrupted run must leave: nothing, or whole files that agree.
  /// - Returns: the rounds on disk.
  func expectWholeFiles(sourceLocation: SourceLocation = #_sourceLocation) throws -> Int {
    guard hasSamples else {
      #expect(try record() == nil, sourceLocation: sourceLocation)
      return 0
    }
    let samples = try SamplesFile(path: samplesPath)
    // The samples are written first, so the record may be one writing behind them.
    if let record = try record() {
      #expect(record.complete == false, sourceLocation: sourceLocation)
      #expect(record.rounds <= samples.rounds, sourceLocation: sourceLocation)
      #expect(
        record.cases.allSatisfy { $0.stepUs.samples.count == record.rounds },
        sourceLocation: sourceLocation)
    }
    return samples.rounds
  }

  /// Resumes, and expects a complete record like that of a run that nothing ended.
  func expectResumes(
    after rounds: Int, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    // Without a finished round there is nothing to add to: the run begins again.
    let outcome =
      rounds > 0
      ? try resume() : try Command.run("scripts/launch", ["-n", "2", "--"] + command())
    #expect(outcome.exitCode == 0, "\(outcome.error)", sourceLocation: sourceLocation)
    let record = try #require(try record(), sourceLocation: sourceLocation)
    #expect(record.complete, sourceLocation: sourceLocation)
    #expect(
      record.groups.map(\.kind) == (rounds > 0 ? ["first", "resume"] : ["first"]),
      sourceLocation: sourceLocation)
    #expect(
      record.groups.map(\.rounds) == (rounds > 0 ? [rounds, steps - rounds] : [steps]),
      sourceLocation: sourceLocation)
    #expect(
      record.cases.map(\.stepUs.samples.count) == [steps, steps], sourceLocation: sourceLocation)
    #expect(
      try record.cases.map(\.outputDigest) == undisturbedDigests(),
      sourceLocation: sourceLocation)
  }
}
