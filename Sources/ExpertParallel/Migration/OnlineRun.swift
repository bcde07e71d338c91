// SPDX-License-Identifier: Apache-2.0
// epsim: runs steps and moves experts in between, as policies say.

public import Kernels
public import MPI
internal import MoE
internal import Placement
public import Timing

/// Runs one case over many steps, once for each plan, which decides between steps whether its
/// experts move.
///
/// Every plan has weights of its own, so that each step runs under all plans, in shuffled order on
/// the same tokens; where memory does not hold them all, one plan runs after the other. Loads,
/// counters and decisions lie outside of the measured steps, and so do moves, whose time is
/// measured by itself. All ranks decide alike, from counts that were added up over them.
public struct OnlineRun {
  /// What was measured, on rank 0.
  public struct Outcome: Sendable {
    /// In the order of the plans.
    public let courses: [OnlineCourse]
    /// Whether each step ran under all plans before the next.
    public let isInterleaved: Bool
  }

  private let configuration: RunConfiguration
  private let plans: [OnlinePlan]
  private let lostShard: LostShard?
  private let heartbeat: Heartbeat

  /// - Parameters:
  ///   - configuration: its first case is what runs, with the experts where a plan starts; further
  ///     cases stand for what plans need at most, and are not run.
  ///   - lostShard: a rank of the topology, where one loses its experts.
  /// - Precondition: weights per layer, and a plan.
  public init(
    _ configuration: RunConfiguration, plans: [OnlinePlan], lostShard: LostShard? = nil,
    heartbeat: Heartbeat = Heartbeat()
  ) {
    precondition(
      configuration.weightSharing == .perLayer && !plans.isEmpty,
      "experts of all layers are the same, or no plan")
    var configuration = configuration
    configuration.placementsChange = true
    self.configuration = configuration
    self.plans = plans
    self.lostShard = lostShard
    self.heartbeat = heartbeat
  }

  /// Runs all steps. Collective.
  ///
  /// - Parameter progress: told after every step.
  /// - Returns: the outcome on rank 0; nil on the others.
  /// - Throws: as ``InterleavedRun/run(on:context:finishedRounds:progress:roundFinished:)``.
  public func run(
    on comm: borrowing Communicator, context: KernelContext,
    progress: (InterleavedRun.Progress) -> Void = { _ in }
  ) throws -> Outcome? {
    let isInterleaved = try plans.count == 1 || fits(plans.count, on: comm)
    let total = plans.count * (configuration.warmupSteps + configuration.measuredSteps)
    var finished = 0
    var courses: [OnlineCourse] = []
    for group in isInterleaved ? [plans] : plans.map({ [$0] }) {
      courses += try run(group, on: comm, context: context) {
        finished += 1
        progress(InterleavedRun.Progress(finishedSteps: finished, totalSteps: total))
      }
    }
    guard comm.rank == 0 else { return nil }
    return Outcome(courses: courses, isInterleaved: isInterleaved)
  }

  /// Whether the weights of so many plans fit the nodes together. Collective.
  private func fits(_ count: Int, on comm: borrowing Communicator) throws -> Bool {
    var configuration = configuration
    configuration.shardCount = count
    let memory = try RunMemory(configuration, on: comm)
    do {
      _ = try memory.blocks(on: comm)
      return true
    } catch is InputError {
      // The same on every rank; one after the other may still fit.
      return false
    }
  }

  private func run(
    _ plans: [OnlinePlan], on comm: borrowing Communicator, context: KernelContext,
    stepFinished: () -> Void
  ) throws -> [OnlineCourse] {
    var configuration = configuration
    configuration.shardCount = plans.count
    let memory = try RunMemory(configuration, on: comm)
    _ = try memory.blocks(on: comm)
    let space = try memory.sharedSpace(on: comm)
    do {
      let buffers = LayerBuffers(memory.bufferSizes, space: space)
      let clocks = try RunClocks(on: comm, heartbeat: heartbeat)
      var courses: [PlannedCourse] = []
      for plan in plans {
        var own = configuration
        if let start = plan.start { own.cases[0].placement = start }
        let shard = try comm.agree { try ExpertShard(configuration, context: context) }
        let state = try OnlineState(
          own, bounds: memory.bufferSizes.bounds, buffers: buffers, space: space,
          shard: shard, clocks: clocks, heartbeat: heartbeat, on: comm)
        courses.append(PlannedCourse(plan, state, lostShard: lostShard))
      }
      return try run(courses, clocks, on: comm, stepFinished: stepFinished)
    } catch {
      // An error of this rank alone: the others do not come to free what is shared.
      if !(error is AgreedError) && !(error is InputError) { space?.abandon() }
      throw error
    }
  }

  private func run(
    _ courses: [PlannedCourse], _ clocks: RunClocks, on comm: borrowing Communicator,
    stepFinished: () -> Void
  ) throws -> [OnlineCourse] {
    let inputs = StepInputs(configuration, rank: comm.rank)
    let warmup = configuration.warmupSteps
    for step in 0..<warmup + configuration.measuredSteps {
      if step >= warmup {
        for course in courses { try course.moveIfWanted(beforeStep: step - warmup, on: comm) }
      }
      inputs.prepare(step: step)
      let order = RoundSchedule.shuffled(courses.count, round: step, seed: configuration.seed)
      for index in order {
        try courses[index].state.run(inputs, isMeasured: step >= warmup, on: comm)
        stepFinished()
      }
      try clocks.anchorIfDue(on: comm)
    }
    try clocks.anchor(on: comm)
    heartbeat.enter(.finished)
    guard comm.rank == 0 else { return [] }
    return courses.map { $0.course(warmupSteps: warmup) }
  }
}
