// SPDX-License-Identifier: Apache-2.0
// epsim: keeps what a run has measured so far on disk.

internal import ExpertParallel
internal import Foundation
internal import Placement
internal import Reporting
internal import Timing
internal import Workloads

/// Writes samples and record after every round, on rank 0.
///
/// Rounds so short that writing would take more than a tenth of the time are written together.
final class RunCheckpoint {
  private let session: RunSession
  /// What earlier launches left behind; nil where there is none.
  private let earlier: RunSamples?
  private let kind: RunRecord.SampleGroup.Kind
  private let created = ISO8601DateFormatter().string(from: Date())
  private var lastWrite = MonotonicClock.now()
  private var writeTime: Int64 = 0

  init(
    _ session: RunSession, adding kind: RunRecord.SampleGroup.Kind, to earlier: RunSamples?
  ) {
    self.session = session
    self.kind = kind
    self.earlier = earlier
  }

  /// Writes the results so far, unless writing took long and was lately.
  func roundFinished(_ result: () -> RunResult) throws {
    guard session.options.output != "-" else { return }
    guard MonotonicClock.now() - lastWrite > 10 * writeTime else { return }
    _ = try save(result())
  }

  /// What was measured does not belong to the samples that it was to be added to.
  struct Mismatch: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
  }

  /// Writes samples and record; nothing with `--output -`.
  /// - Returns: both, and the path of the record where it was written.
  /// - Throws: ``Mismatch``, and ``RunFailure`` where the files cannot be written.
  func save(
    _ result: RunResult
  ) throws -> (record: RunRecord, samples: RunSamples, path: String?) {
    let start = MonotonicClock.now()
    let samples = try allSamples(result)
    let record = RecordBuilder(session: session, result: result, samples: samples).record
    let folder = session.options.output
    guard folder != "-" else { return (record, samples, nil) }
    do {
      // Samples first: a record never speaks of more than they hold.
      try OutputFile.makeFolder(folder)
      try OutputFile.write(samples.encoded(), toPath: Self.path(in: folder))
      let path = try RecordCoding.write(record, folder: folder)
      SignalNotice.recordWritten()
      lastWrite = MonotonicClock.now()
      writeTime = lastWrite - start
      return (record, samples, path)
    } catch {
      throw RunFailure("the record is not written: \(error)")
    }
  }

  /// Earlier samples and those of this launch.
  private func allSamples(_ result: RunResult) throws -> RunSamples {
    let cases = result.cases.enumerated().flatMap { index, blocks in
      blocks.map { measured in
        CaseSamples(
          caseIndex: index, block: measured.block, timeline: measured.timeline,
          traffic: measured.traffic.map(\.values), volumes: measured.volumes,
          digest: measured.digest,
          referenceError: measured.referenceError, referenceTokens: measured.referenceTokens)
      }
    }
    try requireEqualDigests(cases)
    let rounds = result.cases[0].reduce(0) { $0 + $1.timeline.stepCount }
    let own = RunSamples(
      identity: session.identity,
      groups: [
        RunRecord.SampleGroup(
          kind: kind, created: created, rounds: rounds, hosts: session.machine.hosts,
          clockErrorUs: Double(result.clocks.error) / 1000,
          functionalOnly: session.isFunctionalOnly,
          causalityViolations: result.clocks.causality.violations)
      ], cases: cases)
    let all = earlier?.adding(own) ?? own
    guard all.fitsTogether else {
      throw Mismatch(
        "the memory that is free now splits the cases into other blocks than those of the samples "
          + "in \(session.options.output); --max-memory sets how much is used")
    }
    return all
  }

  /// A launch that computes other outputs than those before is no continuation of them.
  private func requireEqualDigests(_ cases: [CaseSamples]) throws {
    for samples in cases {
      let before = earlier?.samples(ofCase: samples.caseIndex, block: samples.block)
      guard let before, before.digest != samples.digest else { continue }
      throw Mismatch(
        "case \(session.configuration.cases[samples.caseIndex].name) gives the output digest "
          + "\(String(samples.digest, radix: 16)) in this launch and "
          + "\(String(before.digest, radix: 16)) in the record")
    }
  }

  /// Where the samples of an output folder lie.
  static func path(in folder: String) -> String { folder + "/" + RunSamples.fileName }
}
