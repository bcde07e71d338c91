// SPDX-License-Identifier: Apache-2.0
// epsim: runs all cases, interleaved step by step, and brings the results to rank 0.

public import Kernels
public import MPI
internal import MoE
internal import Placement
internal import Timing

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

  public init(_ configuration: RunConfiguration) {
    self.configuration = configuration
  }

  /// Runs everything. Collective.
  ///
  /// - Parameters:
  ///   - context: the backend that the products run on.
  ///   - progress: told after every step.
  /// - Returns: the results of all ranks on rank 0; nil on the others.
  /// - Throws: `AgreedError` on every rank where input does not fit; `MPIError` where MPI fails.
  public func run(
    on comm: borrowing Communicator, context: KernelContext,
    progress: (Progress) -> Void = { _ in }
  ) throws -> RunResult? {
    let clocksAreAligned = try Self.clocksAreAligned(comm)
    let memory = try RunMemory(configuration, on: comm)
    let blocks = try memory.blocks(on: comm)
    let shard = try comm.agree { try ExpertShard(configuration, context: context) }
    let buffers = LayerBuffers(memory.bufferSizes)
    let inputs = StepInputs(configuration, rank: comm.rank)

    var results = configuration.cases.map { _ in [CaseResult]() }
    let rounds = configuration.warmupSteps + configuration.measuredSteps
    let totalSteps = rounds * blocks.reduce(0) { $0 + $1.count }
    var finishedSteps = 0
    for (blockIndex, block) in blocks.enumerated() {
      let cases = block.map { configuration.cases[$0] }
      let runners = try comm.agree {
        try shard.hold(
          ShardKey.union(of: cases[...], rank: comm.rank, configuration: configuration))
        return try cases.map {
          try CaseRunner(
            $0, configuration: configuration, rank: comm.rank, shard: shard, buffers: buffers)
        }
      }
      for round in 0..<rounds {
        inputs.prepare(step: round)
        for index in order(of: runners.count, round: round) {
          try runners[index].step(inputs, keep: round >= configuration.warmupSteps, on: comm)
          finishedSteps += 1
          progress(Progress(finishedSteps: finishedSteps, totalSteps: totalSteps))
        }
      }
      inputs.prepare(step: configuration.warmupSteps)
      for (index, runner) in zip(block, runners) {
        let check = configuration.checksReference ? try runner.checkStep(inputs, on: comm) : nil
        let result = try CaseResult.collect(
          runner, check: check, clocksAreAligned: clocksAreAligned, block: blockIndex, on: comm)
        if let result { results[index].append(result) }
      }
    }
    guard comm.rank == 0 else { return nil }
    return RunResult(
      cases: results, blockCount: blocks.count, clocksAreAligned: clocksAreAligned)
  }

  /// The order of the cases in a round: shuffled, the same on every rank.
  private func order(of count: Int, round: Int) -> [Int] {
    let random = CounterRandom(seed: configuration.seed, 0x0_4DE4, UInt64(round))
    return (0..<count).sorted {
      random.bits(at: UInt64($0)) < random.bits(at: UInt64($1))
    }
  }

  /// Whether all ranks read one clock. Collective.
  private static func clocksAreAligned(_ comm: borrowing Communicator) throws(MPIError) -> Bool {
    let own = ClockDomain.current.identity
    let first = try comm.broadcast(own, root: 0)
    return try comm.allReduce(Int32(own == first ? 1 : 0), .min) == 1
  }
}
