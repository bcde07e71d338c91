// SPDX-License-Identifier: Apache-2.0
// epsim: runs steps and moves experts in between, as a policy says.

public import Kernels
public import MPI
internal import MoE
public import Placement
public import Timing
public import Workloads

/// Runs one case over many steps; a policy decides between steps whether its experts move.
///
/// Loads, counters and decisions lie outside of the measured steps, and so do moves, whose time is
/// measured by itself. All ranks decide alike, from counts that were added up over them.
public struct OnlineRun {
  private let configuration: RunConfiguration
  private let policy: RebalancePolicy
  private let lostShard: LostShard?
  private let relabelling: Relabelling
  private let heartbeat: Heartbeat

  /// - Parameters:
  ///   - configuration: its first case is where experts are at the start; further cases stand for
  ///     what later placements need at most, and are not run.
  ///   - lostShard: a rank of the topology, where one loses its experts.
  ///   - relabelling: which ranks may change places in a new placement; disturbed ones never do.
  /// - Precondition: weights per layer.
  public init(
    _ configuration: RunConfiguration, policy: RebalancePolicy, lostShard: LostShard? = nil,
    relabelling: Relabelling = .node, heartbeat: Heartbeat = Heartbeat()
  ) {
    precondition(configuration.weightSharing == .perLayer, "experts of all layers are the same")
    var configuration = configuration
    configuration.placementsChange = true
    self.configuration = configuration
    self.policy = policy
    self.lostShard = lostShard
    self.relabelling = relabelling
    self.heartbeat = heartbeat
  }

  /// Runs all steps. Collective.
  ///
  /// - Parameters:
  ///   - place: the placement for a load, the same on every rank.
  ///   - progress: told after every step.
  /// - Returns: the course on rank 0; nil on the others.
  /// - Throws: as ``InterleavedRun/run(on:context:finishedRounds:progress:roundFinished:)``.
  public func run(
    on comm: borrowing Communicator, context: KernelContext,
    place: (LoadHistogram) throws -> ExpertPlacement,
    progress: (InterleavedRun.Progress) -> Void = { _ in }
  ) throws -> OnlineCourse? {
    let memory = try RunMemory(configuration, on: comm)
    _ = try memory.blocks(on: comm)
    let space = try memory.sharedSpace(on: comm)
    do {
      let shard = try comm.agree { try ExpertShard(configuration, context: context) }
      let state = try OnlineState(
        configuration, memory: memory, space: space, shard: shard, heartbeat: heartbeat, on: comm)
      return try run(state, on: comm, place: place, progress: progress)
    } catch {
      // An error of this rank alone: the others do not come to free what is shared.
      if !(error is AgreedError) && !(error is InputError) { space?.abandon() }
      throw error
    }
  }

  private func run(
    _ state: OnlineState, on comm: borrowing Communicator,
    place: (LoadHistogram) throws -> ExpertPlacement,
    progress: (InterleavedRun.Progress) -> Void
  ) throws -> OnlineCourse? {
    let warmup = configuration.warmupSteps
    let total = warmup + configuration.measuredSteps
    var moves: [OnlineCourse.Move?] = []
    var refused = 0
    for step in 0..<total {
      if step >= warmup {
        let decision = try decide(step - warmup, state, on: comm, place: place)
        refused += decision.isRefused ? 1 : 0
        moves.append(
          try decision.change.map { change in
            OnlineCourse.Move(
              cause: change.cause,
              migration: try state.move(to: change.target, lostRanks: change.lostRanks, on: comm),
              lostExperts: change.lostExperts)
          })
      }
      try state.run(step: step, isMeasured: step >= warmup, on: comm)
      progress(InterleavedRun.Progress(finishedSteps: step + 1, totalSteps: total))
    }
    let times = try state.finish(on: comm)
    guard comm.rank == 0 else { return nil }
    return OnlineCourse(
      steps: times.indices.map {
        OnlineCourse.Step(
          timeUs: times[$0], maxOverMean: state.imbalances[warmup + $0], move: moves[$0])
      }, refusedCount: refused, digest: state.digest)
  }

  /// Where experts shall go before a step.
  private struct Change {
    let cause: OnlineCourse.Cause
    let target: ExpertPlacement
    var lostRanks: Set<Int> = []
    var lostExperts = 0
  }

  /// Decides whether experts move before a measured step. Collective.
  private func decide(
    _ step: Int, _ state: OnlineState, on comm: borrowing Communicator,
    place: (LoadHistogram) throws -> ExpertPlacement
  ) throws -> (change: Change?, isRefused: Bool) {
    let load = state.load(lastSteps: policy.window)
    func target() throws -> ExpertPlacement {
      relabelling.apply(
        to: try place(load), keeping: state.placement, topology: configuration.topology,
        fixedRanks: configuration.cases[0].disturbance.ranks)
    }
    if let lost = lostShard {
      if step == lost.step {
        let target = try comm.agree { try state.placement.losing(rank: lost.rank) }
        let change = Change(
          cause: .loss, target: target, lostRanks: [lost.rank],
          lostExperts: state.experts(ofRank: lost.rank))
        return (change, false)
      }
      if step == lost.step + policy.window {
        return (Change(cause: .restore, target: try comm.agree { try target() }), false)
      }
      // While a rank is without experts the policy waits.
      if step > lost.step, step < lost.step + policy.window { return (nil, false) }
    }
    guard
      policy.asks(beforeStep: step, maxOverMean: state.maxOverMean(lastSteps: policy.window))
    else { return (nil, false) }
    let (target, isAccepted) = try comm.agree {
      let target = try target()
      return (target, try policy.accepts(target, insteadOf: state.placement, load: load))
    }
    return isAccepted ? (Change(cause: .policy, target: target), false) : (nil, true)
  }
}
