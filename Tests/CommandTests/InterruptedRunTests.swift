// SPDX-License-Identifier: Apache-2.0
// epsim: tests of a run one of whose ranks is killed, in every phase of its life.

import Foundation
import TestSupport
import Testing

@Suite("A rank is killed", .serialized)
struct InterruptedRunTests {
  /// When a rank is killed, and options with which most of that time is spent in one phase.
  struct Kill: CustomTestStringConvertible, Sendable {
    enum Moment: Sendable {
      /// As soon as the ranks are there.
      case starting
      /// Before a round is on disk.
      case warmingUp
      /// While rounds are measured.
      case measuring
      /// Once all rounds are on disk, before the run has ended.
      case ending
    }
    let phase: String
    let rank: Int
    var moment = Moment.measuring
    var options = ["--layers", "2", "--tokens", "32", "--warmup", "1"]
    var disturbance: [String] = []
    var steps = 8
    var testDescription: String { "\(phase), rank \(rank)" }
  }

  private static let emulated = [
    "--layers", "2", "--tokens", "32", "--warmup", "1", "--compute", "emulated", "--expert-rate",
  ]

  /// In each of two layers the long phase takes 25 ms, so a round of two cases takes 100 ms.
  static let kills = [
    Kill(phase: "start-up", rank: 1, moment: .starting, disturbance: ["--delay", "1:25000"]),
    Kill(
      phase: "warm-up", rank: 0, moment: .warmingUp,
      options: ["--layers", "2", "--tokens", "32", "--warmup", "20"],
      disturbance: ["--delay", "1:25000"], steps: 4),
    Kill(phase: "packing", rank: 1, disturbance: ["--delay", "1:25000"]),
    Kill(phase: "waiting in dispatch", rank: 0, disturbance: ["--delay", "1:25000"]),
    Kill(phase: "expert compute", rank: 1, options: emulated + ["48M"]),
    Kill(
      phase: "waiting in combine", rank: 0, options: emulated + ["1200M"],
      disturbance: ["--slow", "1:25"]),
    Kill(
      phase: "routing and moving rows", rank: 1,
      options: ["--layers", "1-2", "--tokens", "8192", "--warmup", "1", "--compute", "none"]),
    Kill(
      phase: "between steps", rank: 0,
      options: ["--layers", "2", "--tokens", "2", "--warmup", "1", "--compute", "none"],
      steps: 3000),
    Kill(
      phase: "comparing with the reference", rank: 1, moment: .ending,
      options: ["--layers", "2", "--tokens", "4096", "--warmup", "0", "--check"], steps: 1),
  ]

  @Test(
    "the job ends soon, what was finished is kept, and --resume gives the undisturbed result",
    arguments: kills)
  func kill(_ kill: Kill) throws {
    let run = try InterruptedRun(kill.options, kill.disturbance, steps: kill.steps)
    let running = try run.start()
    let ranks = try run.ranks(of: running)
    switch kill.moment {
    case .starting: break
    case .warmingUp: usleep(600_000)
    case .measuring, .ending: try run.waitForSamples(of: running)
    }
    usleep(.random(in: 0..<(kill.moment == .measuring ? 200_000 : 50_000)))
    running.send(SIGKILL, to: ranks[kill.rank])

    let outcome = try #require(try running.end(within: 20), "still running 20 s after the kill")
    #expect(outcome.exitCode != 0)
    let rounds = try run.expectWholeFiles()
    switch kill.moment {
    case .starting, .warmingUp: #expect(rounds == 0)
    case .measuring: #expect((1..<kill.steps).contains(rounds))
    case .ending: #expect(rounds == kill.steps)
    }
    try run.expectResumes(after: rounds)
    if kill.moment == .ending {
      #expect(try #require(try run.record()).cases.allSatisfy { $0.referenceError != nil })
    }
  }
}
