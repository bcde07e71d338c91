// SPDX-License-Identifier: Apache-2.0
// epsim: moves the experts of one placement to another, then runs steps of both, interleaved.

public import Kernels
public import MPI
internal import MoE
internal import Placement
public import Timing

/// Runs the first case of a configuration through its warm-up, moves its experts to where the
/// second wants them, and measures both, the second with what has moved.
///
/// Ranks keep the first placement's weights, so that every step runs under both placements, in
/// shuffled order on the same tokens: what changes on the machine meanwhile meets both.
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
    // Both must fit at once; where they do not this throws, and never splits two cases.
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
    let warmup = schedule.rounds.filter { !$0.isMeasured && !$0.takesDigest }
    let totalSteps = warmup.count + 2 * schedule.rounds.count
    var finishedSteps = 0
    func block(_ cases: [Int]) throws -> CaseBlock {
      try CaseBlock(
        number: 0, caseIndices: cases, configuration: configuration, shard: shard,
        buffers: buffers, space: space, bounds: memory.bufferSizes.bounds, barrierCost: barrierCost,
        heartbeat: heartbeat, on: comm)
    }
    func run(_ round: RoundSchedule.Round, of block: CaseBlock) throws {
      if round.anchorsBefore { try clocks.anchor(on: comm) }
      inputs.prepare(step: round.step)
      try block.run(round, inputs, on: comm) {
        finishedSteps += 1
        progress(InterleavedRun.Progress(finishedSteps: finishedSteps, totalSteps: totalSteps))
      }
      try clocks.anchorIfDue(on: comm)
    }
    do {
      // The move then meets ranks that have talked to each other already, as it would in service.
      let first = try block([0])
      for round in warmup { try run(round, of: first) }
    }
    let migration = try move(shard, on: comm)
    let both = try block([0, 1])
    for round in schedule.rounds { try run(round, of: both) }
    try clocks.anchor(on: comm)
    if configuration.checksReference {
      inputs.prepare(step: configuration.warmupSteps)
      try both.check(inputs, on: comm)
    }
    heartbeat.enter(.finished)
    guard comm.rank == 0 else { return nil }
    return Outcome(
      result: RunResult(
        cases: both.collectors.map { [$0.collector.result(clocks.current)] }, blockCount: 1,
        isComplete: true, clocks: clocks.summary),
      migration: migration)
  }

  /// Moves the experts, and keeps those of the first case where they were. Collective.
  private func move(
    _ shard: ExpertShard, on comm: borrowing Communicator
  ) throws -> MigrationResult {
    let (old, new) = (configuration.cases[0], configuration.cases[1])
    let result = try ExpertMigration(
      configuration, shard: shard, isReal: new.compute == .real, rank: comm.rank,
      heartbeat: heartbeat
    ).move(from: old.placement, to: new.placement, keepsOld: true, on: comm)
    let wanted = ShardKey.union(
      of: configuration.cases[...], rank: comm.rank, configuration: configuration)
    precondition(shard.holdsAll(wanted), "an expert has not arrived")
    return result
  }
}
