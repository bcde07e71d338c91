// SPDX-License-Identifier: Apache-2.0
// epsim: runs steps under one placement, moves the experts, runs the same steps under another.

public import Kernels
public import MPI
internal import MoE
internal import Placement
public import Timing

/// Runs the first case of a configuration, moves its experts to where the second wants them, and
/// runs the second with what has moved.
///
/// Both run the same steps on the same tokens, so they are paired step by step, but one after the
/// other: what changes on the machine meanwhile is part of the difference.
public struct RebalanceRun {
  /// What was measured, on rank 0.
  public struct Outcome: Sendable {
    /// The two cases, in one block.
    public let result: RunResult
    public let migration: MigrationResult
  }

  private let configuration: RunConfiguration
  private let heartbeat: Heartbeat

  /// - Precondition: two cases of the same compute, and weights per layer.
  public init(_ configuration: RunConfiguration, heartbeat: Heartbeat = Heartbeat()) {
    precondition(
      configuration.cases.count == 2
        && configuration.cases[0].compute == configuration.cases[1].compute
        && configuration.weightSharing == .perLayer,
      "a rebalance of \(configuration.cases.count) cases")
    self.configuration = configuration
    self.heartbeat = heartbeat
  }

  /// Runs everything. Collective.
  ///
  /// - Parameter progress: told after every step.
  /// - Returns: the outcome on rank 0; nil on the others.
  /// - Throws: as ``InterleavedRun/run(on:context:finishedRounds:progress:roundFinished:)``.
  public func run(
    on comm: borrowing Communicator, context: KernelContext,
    progress: (InterleavedRun.Progress) -> Void = { _ in }
  ) throws -> Outcome? {
    let memory = try RunMemory(configuration, on: comm)
    // Together they are an upper bound: of the second placement one layer exists beside the first.
    _ = try memory.blocks(on: comm)
    let space = try memory.sharedSpace(on: comm)
    do {
      return try run(memory, space, on: comm, context: context, progress: progress)
    } catch {
      // An error of this rank alone: the others do not come to free what is shared.
      if !(error is AgreedError) && !(error is InputError) { space?.abandon() }
      throw error
    }
  }

  private func run(
    _ memory: RunMemory, _ space: NodeSpace?, on comm: borrowing Communicator,
    context: KernelContext, progress: (InterleavedRun.Progress) -> Void
  ) throws -> Outcome? {
    let shard = try comm.agree { try ExpertShard(configuration, context: context) }
    let buffers = LayerBuffers(memory.bufferSizes, space: space)
    let inputs = StepInputs(configuration, rank: comm.rank)
    let clocks = try RunClocks(on: comm, heartbeat: heartbeat)
    let barrierCost =
      configuration.cases.contains { $0.timing == .barrier } ? try comm.measuredBarrierCost() : 0
    let schedule = RoundSchedule(configuration, finishedRounds: 0)
    let totalSteps = 2 * schedule.rounds.count
    var finishedSteps = 0
    var collectors: [CaseCollector] = []
    var migration = MigrationResult(layers: [])
    for (index, runCase) in configuration.cases.enumerated() {
      if index == 1 {
        migration = try ExpertMigration(
          configuration, shard: shard, isReal: runCase.compute == .real, rank: comm.rank,
          heartbeat: heartbeat
        ).move(from: configuration.cases[0].placement, to: runCase.placement, on: comm)
        let wanted = ShardKey.union(of: [runCase], rank: comm.rank, configuration: configuration)
        precondition(shard.holdsAll(wanted), "an expert has not arrived")
      }
      let block = try CaseBlock(
        number: 0, caseIndices: [index], configuration: configuration, shard: shard,
        buffers: buffers, space: space, bounds: memory.bufferSizes.bounds, barrierCost: barrierCost,
        heartbeat: heartbeat, on: comm)
      collectors.append(block.collectors[0].collector)
      for round in schedule.rounds {
        if round.anchorsBefore { try clocks.anchor(on: comm) }
        inputs.prepare(step: round.step)
        try block.run(round, inputs, on: comm) {
          finishedSteps += 1
          progress(
            InterleavedRun.Progress(finishedSteps: finishedSteps, totalSteps: totalSteps))
        }
        try clocks.anchorIfDue(on: comm)
      }
      try clocks.anchor(on: comm)
      if configuration.checksReference {
        inputs.prepare(step: configuration.warmupSteps)
        try block.check(inputs, on: comm)
      }
    }
    heartbeat.enter(.finished)
    guard comm.rank == 0 else { return nil }
    return Outcome(
      result: RunResult(
        cases: collectors.map { [$0.result(clocks.current)] }, blockCount: 1, isComplete: true,
        clocks: clocks.summary),
      migration: migration)
  }
}
