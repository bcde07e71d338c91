// SPDX-License-Identifier: Apache-2.0
// epsim: decides over the experts of one course, step by step.

internal import MPI
internal import Placement

/// A course on one rank while it runs: what decides, where the experts are, what has moved.
final class PlannedCourse {
  let state: OnlineState
  private let plan: OnlinePlan
  private let lostShard: LostShard?
  /// [measured steps so far]
  private var moves: [OnlineCourse.Move?] = []
  private var refusedCount = 0

  init(_ plan: OnlinePlan, _ state: OnlineState, lostShard: LostShard?) {
    self.plan = plan
    self.state = state
    self.lostShard = lostShard
  }

  /// Moves the experts before a measured step where the plan or a loss wants it. Collective.
  func moveIfWanted(beforeStep step: Int, on comm: borrowing Communicator) throws {
    let decision = try decide(step, on: comm)
    refusedCount += decision.isRefused ? 1 : 0
    moves.append(
      try decision.change.map { change in
        OnlineCourse.Move(
          cause: change.cause,
          migration: try state.move(to: change.target, lostRanks: change.lostRanks, on: comm),
          lostExperts: change.lostExperts)
      })
  }

  /// What was measured, after the last step; on rank 0.
  func course(warmupSteps: Int) -> OnlineCourse {
    let times = state.stepTimes()
    return OnlineCourse(
      steps: times.indices.map {
        OnlineCourse.Step(
          timeUs: times[$0], maxOverMean: state.imbalances[warmupSteps + $0], move: moves[$0])
      }, refusedCount: refusedCount, digest: state.digest)
  }

  /// Where experts shall go before a step.
  private struct Change {
    let cause: OnlineCourse.Cause
    let target: ExpertPlacement
    var lostRanks: Set<Int> = []
    var lostExperts = 0
  }

  private func decide(
    _ step: Int, on comm: borrowing Communicator
  ) throws -> (change: Change?, isRefused: Bool) {
    let window = plan.policy.window
    let load = state.load(lastSteps: window)
    func target() throws -> ExpertPlacement {
      state.relabelled(try plan.place(load, state.placement), by: plan.relabelling)
    }
    if let lost = lostShard {
      if step == lost.step {
        let target = try comm.agree { try state.placement.losing(rank: lost.rank) }
        let change = Change(
          cause: .loss, target: target, lostRanks: [lost.rank],
          lostExperts: state.experts(ofRank: lost.rank))
        return (change, false)
      }
      if step == lost.step + window {
        return (Change(cause: .restore, target: try comm.agree { try target() }), false)
      }
      // While a rank is without experts the policy waits.
      if step > lost.step, step < lost.step + window { return (nil, false) }
    }
    guard plan.policy.asks(beforeStep: step, maxOverMean: state.maxOverMean(lastSteps: window))
    else { return (nil, false) }
    let (target, isAccepted) = try comm.agree {
      let target = try target()
      return (target, try plan.policy.accepts(target, insteadOf: state.placement, load: load))
    }
    return isAccepted ? (Change(cause: .policy, target: target), false) : (nil, true)
  }
}
