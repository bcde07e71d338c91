// SPDX-License-Identifier: Apache-2.0
// epsim: executes online policies: the same steps once for each.

internal import CostModel
internal import ExpertParallel
internal import Foundation
internal import MPI
internal import MoE
internal import Placement
internal import Reporting
internal import Timing
internal import Workloads

extension RunSession {
  /// Name of the file of a course.
  static let courseFileName = "course.json"

  /// Runs the session's first placement under every policy; another is what later placements are
  /// made by. Collective.
  ///
  /// - Parameters:
  ///   - index: the case that later placements are made by.
  ///   - relabelling: which ranks may change places; nil for what the strategy allows.
  /// - Returns: the record on rank 0; nil on the others.
  func course(
    toCase index: Int = 1, _ policies: [RebalancePolicy], lostShard: LostShard?,
    relabelling: Relabelling?,
    on comm: borrowing Communicator
  ) throws -> CourseRecord? {
    try requireOneInstructionSet()
    let target = cases[index].placement
    guard target.filePath == nil, target.fitting <= .load else {
      throw InputError(
        "placement \(target): experts that move while steps go on need a strategy that looks at no "
          + "more than a load")
    }
    let ranks = machine.topology.rankCount
    if let lostShard, lostShard.rank >= ranks || ranks < 2 {
      throw InputError(
        "--lose-shard \(lostShard.rank)@\(lostShard.step), accepted are ranks 0 to \(ranks - 1) of at "
          + "least 2")
    }
    if let lostShard, lostShard.step >= configuration.measuredSteps {
      throw InputError(
        "--lose-shard \(lostShard.rank)@\(lostShard.step), accepted are steps 0 to "
          + "\(configuration.measuredSteps - 1)")
    }
    var configuration = configuration
    configuration.cases = [configuration.cases[0], configuration.cases[index]]
    if let lostShard {
      // What the others hold meanwhile, for the memory that is needed.
      for runCase in configuration.cases {
        var without = runCase
        without.placement = try runCase.placement.losing(rank: lostShard.rank)
        configuration.cases.append(without)
      }
    }
    var courses: [OnlineCourse] = []
    for policy in policies {
      let heartbeat = Heartbeat()
      StallAlarm(configuration, rank: comm.rank, limit: options.watchdog).watch(heartbeat)
      let progress = ProgressLine(isShown: comm.rank == 0)
      defer { progress.finish() }
      let course = try OnlineRun(
        configuration, policy: policy, lostShard: lostShard,
        relabelling: relabelling ?? target.usualRelabelling, heartbeat: heartbeat
      ).run(
        on: comm, context: context,
        place: { load in
          try setup.place(
            target, topology: machine.topology, fitted: FittedTokens(load: load), files: files)
        }, progress: { progress.show($0) })
      if let course { courses.append(course) }
    }
    guard comm.rank == 0 else { return nil }
    return try record(courses, policies, toCase: index)
  }

  private func record(
    _ courses: [OnlineCourse], _ policies: [RebalancePolicy], toCase index: Int
  ) throws -> CourseRecord {
    let digests = courses.map { String($0.digest, radix: 16) }
    try requireEqual(digests, of: "policies")
    return CourseRecord(
      from: configuration.cases[0].name, to: configuration.cases[index].name, command: arguments,
      functionalOnly: isFunctionalOnly,
      policies: zip(courses, policies).enumerated().map { index, entry in
        CourseRecord.Policy(
          policy: entry.1.description, steps: entry.0.steps.map(Self.recorded),
          refused: entry.0.refusedCount,
          first: index == 0 ? nil : courses[0].steps.map(Self.recorded))
      }, outputDigest: digests[0])
  }

  /// Refuses digests that differ although all exchanges add up in one order.
  func requireEqual(_ digests: [String], of what: String) throws {
    let isExact = !configuration.cases[0].schemes.contains(where: \.isTolerance)
    if isExact, Set(digests).count > 1 {
      throw RunFailure(
        "the \(what)' output digests differ: \(digests.joined(separator: ", "))")
    }
  }

  /// Writes a record into the folder of the output, unless there is none.
  func write(_ record: some Encodable, as fileName: String) throws {
    guard options.output != "-" else { return }
    let path = options.output + "/" + fileName
    do {
      try FileManager.default.createDirectory(
        atPath: options.output, withIntermediateDirectories: true)
    } catch {
      throw RunFailure("the record cannot be written to \(options.output): \(error)")
    }
    try OutputFile.write([UInt8](RecordCoding.json(record)), toPath: path)
    if !options.json { Console.note("course: \(path)") }
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
