// SPDX-License-Identifier: Apache-2.0
// epsim: cases that fit into memory together and are interleaved.

internal import MPI
internal import MoE
internal import Timing

/// A block of cases on one rank: runs them in turn, step by step, and collects what they measure.
final class CaseBlock {
  private let members: [(index: Int, runner: CaseRunner, collector: CaseCollector)]
  private let configuration: RunConfiguration
  private let heartbeat: Heartbeat

  /// Packs the weights that the cases need and prepares their layers. Collective.
  /// - Throws: an agreed error on every rank.
  init(
    number: Int, caseIndices: [Int], configuration: RunConfiguration, shard: ExpertShard,
    buffers: LayerBuffers, space: NodeSpace?, bounds: RowBounds, barrierCost: Int64,
    heartbeat: Heartbeat,
    on comm: borrowing Communicator
  ) throws {
    self.configuration = configuration
    self.heartbeat = heartbeat
    heartbeat.enter(.preparing)
    let rank = comm.rank
    members = try comm.agree {
      let cases = caseIndices.map { configuration.cases[$0] }
      try shard.hold(ShardKey.union(of: cases[...], rank: rank, configuration: configuration))
      return try caseIndices.map { index in
        let runner = try CaseRunner(
          caseIndex: index, configuration: configuration, rank: rank, shard: shard,
          buffers: buffers, space: space, bounds: bounds, heartbeat: heartbeat)
        let collector = CaseCollector(
          runner.runCase, block: number, layout: runner.recorder.layout,
          barrierCost: barrierCost)
        return (index, runner, collector)
      }
    }
  }

  /// Runs one step of every case, in shuffled order. Collective.
  /// - Parameter stepFinished: told after every step.
  func run(
    _ round: RoundSchedule.Round, _ inputs: StepInputs, on comm: borrowing Communicator,
    stepFinished: () -> Void
  ) throws {
    let order = RoundSchedule.shuffled(
      members.count, round: round.step, seed: configuration.seed)
    for position in order {
      let (_, runner, collector) = members[position]
      try runner.step(inputs, number: round.step, on: comm)
      heartbeat.enter(.collecting)
      if round.takesDigest { try collector.collectDigest(runner.digest(inputs), on: comm) }
      if round.isMeasured { try collector.collectStep(of: runner, on: comm) }
      stepFinished()
    }
  }

  /// Compares a step of every case with the reference layer, unmeasured. Collective.
  func check(_ inputs: StepInputs, on comm: borrowing Communicator) throws {
    for (_, runner, collector) in members {
      try collector.collectCheck(runner.checkStep(inputs, on: comm), on: comm)
    }
  }

  /// Sums up the routing of a step of every case, unmeasured. Collective.
  func balance(
    _ inputs: StepInputs, _ request: BalanceRequest, on comm: borrowing Communicator
  ) throws {
    for (_, runner, collector) in members {
      collector.balance = try runner.balanceStep(inputs, request, on: comm)
    }
  }

  /// What the cases measure; outlives the block, whose weights do not.
  var collectors: [(caseIndex: Int, collector: CaseCollector)] {
    members.map { ($0.index, $0.collector) }
  }
}
