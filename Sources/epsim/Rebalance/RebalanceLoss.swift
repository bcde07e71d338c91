// SPDX-License-Identifier: Apache-2.0
// epsim: executes the same lost shard under several placements.

internal import ExpertParallel
internal import MPI
internal import MoE
internal import Reporting

extension RunSession {
  /// Runs every placement of the session with the same loss, each restored by its own strategy.
  /// Collective.
  /// - Returns: a record for each placement on rank 0; nil on the others.
  func losses(
    _ lostShard: LostShard, on comm: borrowing Communicator
  ) throws -> [CourseRecord]? {
    let policy = try RebalancePolicy(parsing: "never")
    let plans = try cases.indices.map { index in
      try plan(
        policy, to: cases[index].placement, relabelling: nil,
        start: configuration.cases[index].placement)
    }
    guard let outcome = try run(plans, lostShard: lostShard, on: comm) else { return nil }
    return outcome.courses.enumerated().map { index, course in
      record(
        [course], [policy], fromCase: index, toCase: index, digest: outcome.digest,
        isInterleaved: outcome.isInterleaved)
    }
  }
}
