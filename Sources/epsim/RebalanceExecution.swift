// SPDX-License-Identifier: Apache-2.0
// epsim: executes a rebalance: run, move, run, record.

internal import ExpertParallel
internal import Foundation
internal import MPI
internal import MoE
internal import Reporting
internal import Timing
internal import Workloads

extension RunSession {
  /// Name of the file of a rebalance, beside the record of its run.
  static let rebalanceFileName = "rebalance.json"

  /// Runs both placements of the session with the move in between. Collective.
  /// - Returns: the record on rank 0; nil on the others.
  func rebalance(on comm: borrowing Communicator) throws -> RebalanceRecord? {
    try requireOneInstructionSet()
    let heartbeat = Heartbeat()
    StallAlarm(configuration, rank: comm.rank, limit: options.watchdog).watch(heartbeat)
    let checkpoint = RunCheckpoint(self, adding: .first, to: nil)
    let progress = ProgressLine(isShown: comm.rank == 0)
    let outcome: RebalanceRun.Outcome?
    do {
      defer { progress.finish() }
      outcome = try RebalanceRun(configuration, heartbeat: heartbeat).run(
        on: comm, context: context, progress: { progress.show($0) })
    }
    guard let outcome else { return nil }
    try requireCountersMatch(outcome.result)
    let digests = outcome.result.cases.map { $0[0].digest }
    let isExact = configuration.cases.allSatisfy { !$0.schemes.contains(where: \.isTolerance) }
    if isExact, digests[0] != digests[1] {
      throw RunFailure(
        "the output digest is \(String(digests[0], radix: 16)) before the move and "
          + "\(String(digests[1], radix: 16)) after it")
    }
    let (run, _, path) = try checkpoint.save(outcome.result)
    let record = RebalanceRecord(
      run,
      layers: outcome.migration.layers.map {
        RebalanceRecord.Migration(
          layer: $0.layer, movedExperts: $0.movedExperts, bytes: $0.bytes,
          offNodeBytes: $0.offNodeBytes, largestReceived: $0.largestReceived,
          timeUs: Double($0.time) / 1000)
      }, digestsEqual: isExact ? true : nil)
    if let path {
      try OutputFile.write(
        [UInt8](RecordCoding.json(record)), toPath: options.output + "/" + Self.rebalanceFileName)
      if !options.json {
        Console.note("record: \(path)")
        Console.note("rebalance: \(options.output)/\(Self.rebalanceFileName)")
      }
    }
    return record
  }

  /// Packed weights of another instruction set lie otherwise in memory.
  func requireOneInstructionSet() throws {
    guard instructionSets.count == 1 else {
      throw InputError(
        "the ranks have \(instructionSets.count) instruction sets "
          + "(\(instructionSets.joined(separator: "; "))), whose packed weights differ; rebalance "
          + "accepts ranks of one")
    }
  }
}
