// SPDX-License-Identifier: Apache-2.0
// epsim: runs all cases, interleaved step by step, and brings the results to rank 0.

public import Kernels
public import MPI
internal import MoE
public import Timing

/// Runs the cases of a configuration.
///
/// Cases are interleaved in rounds: one step of every case, in shuffled order, on the same tokens.
/// Warm-up rounds come first and are not measured. What the ranks share is agreed before anything
/// is allocated: an error is thrown on every rank or on none.
public struct InterleavedRun {
  /// How far a run has come, for a person who waits; told on every rank, between steps.
  public struct Progress: Sendable {
    public let finishedSteps: Int
    public let totalSteps: Int
  }

  private let configuration: RunConfiguration
  private let heartbeat: Heartbeat

  /// - Parameter heartbeat: told where the run is, for a watchdog.
  public init(_ configuration: RunConfiguration, heartbeat: Heartbeat = Heartbeat()) {
    self.configuration = configuration
    self.heartbeat = heartbeat
  }

  /// Runs everything. Collective.
  ///
  /// - Parameters:
  ///   - context: the backend that the products run on.
  ///   - finishedRounds: measured rounds of each block that an earlier run has finished; they are
  ///     not repeated, but for the first, unmeasured, so that the digest can be compared.
  ///   - progress: told after every step.
  ///   - roundFinished: told on rank 0 after every measured round, with the results so far.
  /// - Returns: the results of all ranks on rank 0; nil on the others.
  /// - Throws: `AgreedError` on every rank where input does not fit; ``ExchangeDisagreement`` on
  ///   one rank, and `MPIError` where MPI fails: the job cannot go on.
  public func run(
    on comm: borrowing Communicator, context: KernelContext, finishedRounds: [Int] = [],
    progress: (Progress) -> Void = { _ in }, roundFinished: (() -> RunResult) -> Void = { _ in }
  ) throws -> RunResult? {
    let memory = try RunMemory(configuration, on: comm)
    let blocks = try memory.blocks(on: comm)
    let space = try memory.sharedSpace(on: comm)
    do {
      return try run(
        memory, blocks, space, on: comm, context: context, finishedRounds: finishedRounds,
        progress: progress, roundFinished: roundFinished)
    } catch {
      // An error of this rank alone: the others do not come to free what is shared.
      if !(error is AgreedError) && !(error is InputError) { space?.abandon() }
      throw error
    }
  }

  private func run(
    _ memory: RunMemory, _ blocks: [[Int]], _ space: NodeSpace?, on comm: borrowing Communicator,
    context: KernelContext, finishedRounds: [Int], progress: (Progress) -> Void,
    roundFinished: (() -> RunResult) -> Void
  ) throws -> RunResult? {
    let shard = try comm.agree { try ExpertShard(configuration, context: context) }
    let buffers = LayerBuffers(memory.bufferSizes, space: space)
    let inputs = StepInputs(configuration, rank: comm.rank)
    let clocks = try RunClocks(on: comm, heartbeat: heartbeat)
    let barrierCost =
      configuration.cases.contains { $0.timing == .barrier } ? try comm.measuredBarrierCost() : 0

    let schedules = blocks.indices.map { block in
      RoundSchedule(
        configuration,
        finishedRounds: finishedRounds.indices.contains(block) ? finishedRounds[block] : 0)
    }
    let totalSteps = zip(blocks, schedules).reduce(0) { $0 + $1.0.count * $1.1.rounds.count }
    var finishedSteps = 0
    var collectors: [(caseIndex: Int, collector: CaseCollector)] = []
    func result(isComplete: Bool) -> RunResult {
      RunResult(
        cases: configuration.cases.indices.map { index in
          collectors.filter {
            $0.caseIndex == index && ($0.collector.stepCount > 0 || $0.collector.isChecked)
          }
          .map { $0.collector.result(clocks.current) }
        }, blockCount: blocks.count, isComplete: isComplete, clocks: clocks.summary)
    }

    for (number, caseIndices) in blocks.enumerated() where !schedules[number].rounds.isEmpty {
      let block = try CaseBlock(
        number: number, caseIndices: caseIndices, configuration: configuration, shard: shard,
        buffers: buffers, space: space, bounds: memory.bufferSizes.bounds, barrierCost: barrierCost,
        heartbeat: heartbeat, on: comm)
      collectors += block.collectors
      for round in schedules[number].rounds {
        if round.anchorsBefore { try clocks.anchor(on: comm) }
        inputs.prepare(step: round.step)
        try block.run(round, inputs, on: comm) {
          finishedSteps += 1
          progress(Progress(finishedSteps: finishedSteps, totalSteps: totalSteps))
        }
        try clocks.anchorIfDue(on: comm)
        if round.isMeasured, comm.rank == 0 { roundFinished { result(isComplete: false) } }
      }
      try clocks.anchor(on: comm)
      if let request = configuration.balance {
        inputs.prepare(step: configuration.warmupSteps)
        try block.balance(inputs, request, on: comm)
      }
      if configuration.checksReference {
        inputs.prepare(step: configuration.warmupSteps)
        try block.check(inputs, on: comm)
      }
    }
    heartbeat.enter(.finished)
    return comm.rank == 0 ? result(isComplete: true) : nil
  }
}
