// SPDX-License-Identifier: Apache-2.0
// epsim: executes online policies: the same steps under each.

internal import CostModel
internal import ExpertParallel
internal import Foundation
internal import Kernels
internal import MPI
internal import MoE
internal import Placement
internal import Reporting
internal import Timing
internal import Workloads

extension RunSession {
  /// Name of the file of a course.
  static let courseFileName = "course.json"
  /// Name of the file of several courses.
  static let coursesFileName = "courses.json"

  /// Runs the session's first placement under every policy, once for each further placement, whose
  /// strategy makes the later ones. Collective.
  ///
  /// A policy that moves nothing is run once for all.
  /// - Parameter relabelling: which ranks may change places; nil for what the strategy allows.
  /// - Returns: a record for each further placement on rank 0; nil on the others.
  func courses(
    _ policies: [RebalancePolicy], lostShard: LostShard?, relabelling: Relabelling?,
    on comm: borrowing Communicator
  ) throws -> [CourseRecord]? {
    var plans: [OnlinePlan] = []
    // [targets][policies] which plan it is.
    var planOfCourse: [[Int]] = []
    for target in cases.dropFirst().map(\.placement) {
      planOfCourse.append(
        try policies.map { policy in
          let same = plans.firstIndex { $0.policy == policy }
          if let same, !policy.moves, lostShard == nil { return same }
          plans.append(try plan(policy, to: target, relabelling: relabelling))
          return plans.count - 1
        })
    }
    guard let outcome = try run(plans, lostShard: lostShard, on: comm) else { return nil }
    return planOfCourse.enumerated().map { target, indices in
      record(
        indices.map { outcome.courses[$0] }, policies, toCase: target + 1, digest: outcome.digest,
        isInterleaved: outcome.isInterleaved)
    }
  }

  /// A plan whose later placements a strategy makes from loads.
  func plan(
    _ policy: RebalancePolicy, to target: PlacementSpec, relabelling: Relabelling?,
    start: ExpertPlacement? = nil
  ) throws -> OnlinePlan {
    guard target.filePath == nil, target.fitting <= .load else {
      throw InputError(
        "placement \(target): experts that move while steps go on need a strategy that looks at no "
          + "more than a load")
    }
    return OnlinePlan(
      policy, relabelling: relabelling ?? target.usualRelabelling, start: start
    ) { load, current in
      try setup.place(
        target, topology: machine.topology, fitted: FittedTokens(load: load), files: files
      ) { $0.current = current }
    }
  }

  /// Runs the plans. Collective.
  /// - Returns: on rank 0 what was measured, and the digest that all courses have; nil on the
  ///   others.
  func run(
    _ plans: [OnlinePlan], lostShard: LostShard?, on comm: borrowing Communicator
  ) throws -> (courses: [OnlineCourse], isInterleaved: Bool, digest: String)? {
    try requireOneInstructionSet()
    let configuration = try configuration(losing: lostShard)
    let heartbeat = Heartbeat()
    StallAlarm(configuration, rank: comm.rank, limit: options.watchdog).watch(heartbeat)
    let progress = ProgressLine(isShown: comm.rank == 0)
    let outcome: OnlineRun.Outcome?
    do {
      defer { progress.finish() }
      outcome = try OnlineRun(
        configuration, plans: plans, lostShard: lostShard, heartbeat: heartbeat
      ).run(on: comm, context: context, progress: { progress.show($0) })
    }
    guard let outcome else { return nil }
    let digests = outcome.courses.map { String($0.digest, radix: 16) }
    try requireEqual(digests)
    return (outcome.courses, outcome.isInterleaved, digests[0])
  }

  /// The configuration with what ranks hold while one has lost its experts, for the memory.
  private func configuration(losing lostShard: LostShard?) throws -> RunConfiguration {
    guard let lostShard else { return configuration }
    let ranks = machine.topology.rankCount
    guard lostShard.rank < ranks, ranks >= 2 else {
      throw InputError(
        "--lose-shard \(lostShard.rank)@\(lostShard.step), accepted are ranks 0 to \(ranks - 1) of "
          + "at least 2")
    }
    guard lostShard.step < configuration.measuredSteps else {
      throw InputError(
        "--lose-shard \(lostShard.rank)@\(lostShard.step), accepted are steps 0 to "
          + "\(configuration.measuredSteps - 1)")
    }
    var configuration = configuration
    for runCase in configuration.cases {
      var without = runCase
      without.placement = try runCase.placement.losing(rank: lostShard.rank)
      configuration.cases.append(without)
    }
    return configuration
  }

  /// Courses from one placement to another, a policy each.
  func record(
    _ courses: [OnlineCourse], _ policies: [RebalancePolicy], fromCase first: Int = 0,
    toCase index: Int, digest: String, isInterleaved: Bool
  ) -> CourseRecord {
    CourseRecord(
      from: configuration.cases[first].name, to: configuration.cases[index].name,
      command: arguments, model: recordedModel, workload: recordedWorkload,
      machine: CourseRecord.Machine(
        ranks: machine.topology.rankCount, nodes: machine.topology.nodeCount,
        cores: machine.cores, backend: backend, isa: isa,
        threads: context.environment.threads, mpi: MPIEnvironment.libraryVersion),
      functionalOnly: isFunctionalOnly, interleaved: isInterleaved,
      policies: zip(courses, policies).enumerated().map { index, entry in
        CourseRecord.Policy(
          policy: entry.1.description, steps: entry.0.steps.map(Self.recorded),
          refused: entry.0.refusedCount,
          first: index == 0 ? nil : courses[0].steps.map(Self.recorded))
      }, outputDigest: digest)
  }

  /// Refuses digests that differ although all exchanges add up in one order.
  private func requireEqual(_ digests: [String]) throws {
    let isExact = !configuration.cases[0].schemes.contains(where: \.isTolerance)
    if isExact, Set(digests).count > 1 {
      throw RunFailure(
        "the policies' output digests differ: \(digests.joined(separator: ", "))")
    }
  }

  /// Writes a record of moves into the folder of the output, unless there is none.
  ///
  /// Records of moves of another kind are removed: they tell of an earlier launch.
  func write(_ record: some Encodable, as fileName: String) throws {
    guard options.output != "-" else { return }
    let path = options.output + "/" + fileName
    do {
      try OutputFile.makeFolder(options.output)
      try OutputFile.write([UInt8](RecordCoding.json(record)), toPath: path)
      for other in [Self.rebalanceFileName, Self.courseFileName, Self.coursesFileName]
      where other != fileName
        && FileManager.default.fileExists(atPath: "\(options.output)/\(other)")
      {
        try FileManager.default.removeItem(atPath: "\(options.output)/\(other)")
      }
    } catch {
      throw RunFailure("the record is not written: \(error)")
    }
    if !options.json {
      Console.note("\(fileName == Self.rebalanceFileName ? "rebalance" : "course"): \(path)")
    }
  }

  private static func recorded(_ step: OnlineCourse.Step) -> CourseRecord.Step {
    CourseRecord.Step(
      timeUs: step.timeUs, maxOverMean: step.maxOverMean,
      move: step.move.map { move in
        CourseRecord.Move(
          cause: move.cause.rawValue, movedExperts: move.migration.movedExperts,
          recreatedExperts: move.migration.recreatedExperts, lostExperts: move.lostExperts,
          bytes: move.migration.bytes, offNodeBytes: move.migration.offNodeBytes,
          timeUs: Double(move.migration.time) / 1000)
      })
  }
}
