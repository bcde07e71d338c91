// SPDX-License-Identifier: Apache-2.0
// epsim: executes a rebalance: relabel, move, run both, record.

internal import ExpertParallel
internal import Foundation
internal import MPI
internal import MoE
internal import Placement
internal import Reporting
internal import Timing
internal import Workloads

extension RunSession {
  /// Name of the file of a rebalance, beside the record of its run.
  static let rebalanceFileName = "rebalance.json"

  /// Moves the experts of the session's first placement to the second and runs both. Collective.
  ///
  /// - Parameter wish: which ranks may change places; nil for what the second placement allows.
  /// - Returns: the record on rank 0; nil on the others.
  func rebalance(
    _ wish: Relabelling?, on comm: borrowing Communicator
  ) throws -> RebalanceRecord? {
    try requireOneInstructionSet()
    let relabelling = wish ?? cases[1].placement.usualRelabelling
    var session = self
    session.configuration.cases[1].placement = placement(relabelledBy: relabelling)
    // What the rule that was not asked for would do is told beside.
    let other = relabelling == .none ? placement(relabelledBy: .node) : nil
    return try session.rebalance(
      RebalanceRecord.Relabelling(
        rule: relabelling.rawValue,
        movedAsNumbered: movedExperts(to: configuration.cases[1].placement),
        movedRelabelled: movedExperts(to: session.configuration.cases[1].placement),
        movedByNode: other.map { movedExperts(to: $0) }),
      on: comm)
  }

  /// The second placement on other ranks; disturbed ranks are not like the others and stay.
  private func placement(relabelledBy relabelling: Relabelling) -> ExpertPlacement {
    relabelling.apply(
      to: configuration.cases[1].placement, keeping: configuration.cases[0].placement,
      topology: configuration.topology,
      fixedRanks: configuration.cases.reduce(into: []) { $0.formUnion($1.disturbance.ranks) })
  }

  private func movedExperts(to placement: ExpertPlacement) -> Int {
    MigrationPlan(
      from: configuration.cases[0].placement, to: placement, topology: configuration.topology
    ).sent
  }

  private func rebalance(
    _ relabelling: RebalanceRecord.Relabelling, on comm: borrowing Communicator
  ) throws -> RebalanceRecord? {
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
      run, relabelling: relabelling,
      layers: outcome.migration.layers.map {
        RebalanceRecord.Migration(
          layer: $0.layer, movedExperts: $0.movedExperts, bytes: $0.bytes,
          offNodeBytes: $0.offNodeBytes, largestReceived: $0.largestReceived,
          timeUs: Double($0.time) / 1000)
      }, digestsEqual: isExact ? true : nil)
    if let path {
      if !options.json { Console.note("record: \(path)") }
      try write(record, as: Self.rebalanceFileName)
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
