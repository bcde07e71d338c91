// SPDX-License-Identifier: Apache-2.0
// epsim: tests of how tokens are dealt to ranks and split for fitting.

import MoE
import Testing
import Workloads

@Suite struct TokenAssignmentTests {
  @Test func blocksAreConsecutiveAndNearlyEqual() throws {
    #expect(try TokenAssignment.block.ranks(tokenCount: 7, rankCount: 3) == [0, 0, 0, 1, 1, 2, 2])
    #expect(try TokenAssignment.block.ranks(tokenCount: 2, rankCount: 4) == [0, 2])
    #expect(try TokenAssignment.block.ranks(tokenCount: 0, rankCount: 4) == [])
  }

  @Test func roundRobinDealsLikeCards() throws {
    #expect(
      try TokenAssignment.roundRobin.ranks(tokenCount: 5, rankCount: 3) == [0, 1, 2, 0, 1])
  }

  @Test func sequencesStayWholeAndKeepTheirRank() throws {
    let trace = try Fixtures.smallTrace()
    let workload = TraceWorkload(trace: trace, tokens: 0..<3, windowSize: 3)
    let ranks = try TokenAssignment.sequence.ranks(tokenCount: 3, rankCount: 2) {
      workload.sequence(step: 0, position: $0)
    }
    #expect(ranks == [0, 0, 1])
    expectInputError("sequence", "trace", "block") {
      _ = try TokenAssignment.sequence.ranks(tokenCount: 3, rankCount: 2)
    }
  }

  @Test func theWordsOfTheCommandLineAreTheRawValues() {
    #expect(
      TokenAssignment.allCases.map(\.rawValue) == ["block", "round-robin", "ragged", "sequence"])
    #expect(FitRange.allCases.map(\.rawValue) == ["first-half", "all"])
  }

  @Test func fittingAndJudgingShareNoTokenUnlessAsked() throws {
    let halves = try FitRange.firstHalf.split(tokenCount: 8327)
    #expect(halves.fitted == 0..<4163 && halves.judged == 4163..<8327)
    let all = try FitRange.all.split(tokenCount: 5)
    #expect(all.fitted == 0..<5 && all.judged == 0..<5)
    expectInputError("1 token", "all") { _ = try FitRange.firstHalf.split(tokenCount: 1) }
  }
}
