// SPDX-License-Identifier: Apache-2.0
// epsim: executes a session: continue, run, record.

internal import CostModel
internal import ExpertParallel
internal import Foundation
internal import MPI
internal import MoE
internal import Placement
internal import Reporting
internal import Timing
internal import Workloads

extension RunSession {
  /// Runs all cases and writes the record. Collective.
  /// - Returns: the record on rank 0; nil on the others.
  func run(on comm: borrowing Communicator) throws -> RunRecord? {
    let earlier = try comm.agree(classify: Launch.exitCode) {
      comm.rank == 0 ? try earlierSamples() : nil
    }
    let finished = try comm.broadcast(
      options.resume ? finishedRounds(of: earlier) : [], root: 0)
    if comm.rank == 0 { SignalNotice.install(resumes: options.resume || options.addLaunch) }
    defer { SignalNotice.remove() }
    let heartbeat = Heartbeat()
    StallAlarm(configuration, rank: comm.rank, limit: options.watchdog).watch(heartbeat)

    let kind: RunRecord.SampleGroup.Kind =
      options.resume ? .resume : options.addLaunch ? .launch : .first
    let checkpoint = RunCheckpoint(self, adding: kind, to: earlier)
    let progress = ProgressLine(isShown: comm.rank == 0)
    var hasFailed = false
    let result: RunResult?
    do {
      defer { progress.finish() }
      result = try InterleavedRun(configuration, heartbeat: heartbeat).run(
        on: comm, context: context, finishedRounds: finished, progress: { progress.show($0) },
        roundFinished: { result in
          do {
            try checkpoint.roundFinished(result)
          } catch let mismatch as RunCheckpoint.Mismatch {
            // Nothing that follows could be kept, and the others wait for this rank's next step.
            Launch.printError("\(mismatch)")
            MPIEnvironment.abort(code: 1)
          } catch {
            // The end may still be written.
            if !hasFailed { Launch.printError("\(error); the run goes on") }
            hasFailed = true
          }
        })
    }
    guard let result else { return nil }
    try requireCountersMatch(result)
    let (record, samples, path) = try save(result, checkpoint)
    if let path, !options.json { Console.note("record: \(path)") }
    if let path = options.timeline {
      try writeTimeline(of: samples, record: record, to: path)
      if !options.json { Console.note("timeline: \(path)") }
    }
    return record
  }

  /// Writes the end of a run.
  private func save(
    _ result: RunResult, _ checkpoint: RunCheckpoint
  ) throws -> (record: RunRecord, samples: RunSamples, path: String?) {
    do {
      return try checkpoint.save(result)
    } catch let mismatch as RunCheckpoint.Mismatch {
      throw RunFailure(mismatch.description)
    }
  }

  /// Draws the measured steps of all launches.
  private func writeTimeline(of samples: RunSamples, record: RunRecord, to path: String) throws {
    let cases = samples.cases.map { measured in
      let runCase = configuration.cases[measured.caseIndex]
      return TimelineTrace.Case(
        name: runCase.name, layers: configuration.layers, timeline: measured.timeline,
        traffic: measured.counters(of: runCase, topology: configuration.topology),
        groupSteps: measured.groupSteps)
    }
    do {
      try TimelineTrace(
        cases: cases, nodeOfRank: machine.topology.nodeOfRank, hosts: machine.hosts,
        clocks: record.environment.clocks, clockErrorUs: record.environment.clockErrorUs
      ).write(to: path)
    } catch {
      throw RunFailure("the timeline cannot be written: \(error)")
    }
  }

  /// What earlier launches left in the output folder, where this one adds to it.
  private func earlierSamples() throws -> RunSamples? {
    guard options.resume || options.addLaunch else { return nil }
    let option = options.resume ? "--resume" : "--add-launch"
    guard options.output != "-" else {
      throw InputError("\(option) adds to a record, which --output - does not write")
    }
    let path = RunCheckpoint.path(in: options.output)
    guard FileManager.default.fileExists(atPath: path) else {
      throw InputError("\(option) finds no \(path), which an earlier run would have left")
    }
    let samples = try RunSamples(
      bytes: InputFile.bytes(ofPath: path, kind: "samples"), name: path)
    if let difference = samples.identity.difference(to: identity) {
      throw InputError("\(option) cannot add to \(path): \(difference)")
    }
    try requireFit(samples, path: path)
    let hasAllRounds = isComplete(samples)
    // A run may have ended after its last round, before its record was marked complete.
    if options.resume, hasAllRounds, try hasCompleteRecord() {
      throw InputError(
        "all \(configuration.measuredSteps) rounds are in \(path) already, nothing is left for "
          + "--resume; --add-launch repeats the measurement")
    }
    if options.addLaunch, !hasAllRounds {
      throw InputError("--add-launch finds an unfinished run in \(path); --resume finishes it")
    }
    return samples
  }

  /// Whether the record beside the samples says that nothing is missing.
  private func hasCompleteRecord() throws -> Bool {
    let path = options.output + "/" + RecordCoding.fileName
    guard FileManager.default.fileExists(atPath: path) else { return false }
    let bytes = try InputFile.bytes(ofPath: path, kind: "record")
    return (try? RecordCoding.record(from: Data(bytes)))?.complete ?? false
  }

  /// Refuses samples whose sizes and counts cannot be those of this run.
  private func requireFit(_ samples: RunSamples, path: String) throws {
    let fits = samples.cases.allSatisfy { entry in
      guard configuration.cases.indices.contains(entry.caseIndex) else { return false }
      let runCase = configuration.cases[entry.caseIndex]
      let mostRows = max(
        configuration.tokenCount * configuration.routings[runCase.routing].topK,
        configuration.rowLimit(of: runCase))
      let counters = TrafficCounters(
        placement: runCase.placement, topology: configuration.topology
      ).values.count
      let isBarrier = if case .barrier = entry.timeline.timing { true } else { false }
      return entry.timeline.layout.layerCount == configuration.layers.count
        && entry.timeline.rankCount == configuration.topology.rankCount
        && isBarrier == (runCase.timing == .barrier) && entry.timeline.stepCount > 0
        && entry.block < configuration.cases.count
        && entry.groupSteps.allSatisfy { $0 <= configuration.measuredSteps }
        && entry.traffic.allSatisfy {
          $0.count == counters && $0.allSatisfy { $0 <= mostRows }
        }
        && zip(entry.counters(of: runCase, topology: configuration.topology), entry.volumes)
          .allSatisfy { $0.expectedRows(of: runCase)?.difference(to: $1) == nil }
    }
    guard fits else { throw InputError("\(path) does not fit this run, it was altered") }
  }

  /// Groups that belong to the launch that was begun last.
  private func lastLaunch(of samples: RunSamples) -> Int {
    samples.groups.lastIndex { $0.kind != .resume } ?? 0
  }

  /// [blocks] measured rounds that the launch begun last has finished.
  private func finishedRounds(of samples: RunSamples?) -> [Int] {
    guard let samples else { return [] }
    let blocks = (samples.cases.map(\.block).max() ?? -1) + 1
    return (0..<blocks).map {
      samples.rounds(ofBlock: $0, fromGroup: lastLaunch(of: samples))
    }
  }

  /// Whether the launch begun last has finished every round of every case.
  private func isComplete(_ samples: RunSamples) -> Bool {
    configuration.cases.indices.allSatisfy { index in
      samples.cases.contains { entry in
        entry.caseIndex == index
          && entry.groupSteps.dropFirst(lastLaunch(of: samples)).reduce(0, +)
            >= configuration.measuredSteps
      }
    }
  }
}
