// SPDX-License-Identifier: Apache-2.0
// epsim: tests of what ranks lend each other for one batch.

import CostModel
import Placement
import Testing
import Workloads

@Suite struct TransientPlanTests {
  /// Four ranks of two experts each.
  private func spill(_ loads: [Int], limit: Double) -> SpillPlan {
    SpillPlan(
      loads: loads, rankOfExpert: [0, 0, 1, 1, 2, 2, 3, 3], rankCount: 4,
      rule: SpillPlan.Rule(limit: limit, leastRows: 1))
  }

  private func sent(_ expert: Int, _ from: Int, _ to: Int, _ rows: Int) -> SpillPlan.Transfer {
    SpillPlan.Transfer(expert: expert, from: from, to: to, rows: rows)
  }

  @Test func rowsAboveTheLimitGoToTheEmptiestRanks() {
    let even = spill([80, 0, 10, 10, 20, 20, 30, 30], limit: 1)
    #expect(even.rankLoads == [50, 50, 50, 50])
    #expect(even.transfers == [sent(0, 0, 1, 30), sent(6, 3, 2, 10)])

    let loose = spill([80, 0, 10, 10, 20, 20, 30, 30], limit: 1.2)
    #expect(loose.rankLoads == [60, 40, 40, 60])
    #expect(loose.transfers == [sent(0, 0, 1, 20)])

    // Rank 0 keeps room for its second expert.
    let pending = spill([120, 40, 10, 10, 5, 5, 5, 5], limit: 1)
    #expect(pending.rankLoads == [50, 50, 50, 50])
    #expect(pending.transfers == [sent(0, 0, 2, 40), sent(0, 0, 3, 40), sent(0, 0, 1, 30)])
  }

  @Test func nothingIsLentWhereLittleIsUneven() {
    let rule = SpillPlan.Rule(leastRows: 1)
    let plan = SpillPlan(loads: [12, 8], rankOfExpert: [0, 1], rankCount: 2, rule: rule)
    #expect(plan.transfers.isEmpty)
    #expect(plan.rankLoads == [12, 8])
    let uneven = SpillPlan(loads: [13, 7], rankOfExpert: [0, 1], rankCount: 2, rule: rule)
    #expect(uneven.transfers == [sent(0, 0, 1, 3)])
    #expect(SpillPlan(loads: [0, 0], rankOfExpert: [0, 1], rankCount: 2).rankLoads == [0, 0])
    #expect(SpillPlan(loads: [], rankOfExpert: [], rankCount: 2).rankLoads == [0, 0])
  }

  /// No rank has room for 100 rows: all that is left goes to the least loaded one at once.
  @Test func smallPiecesAreNotWorthTheirWeights() {
    let plan = SpillPlan(
      loads: [300, 60, 60], rankOfExpert: [0, 1, 2], rankCount: 3,
      rule: SpillPlan.Rule(leastRows: 100))
    // Expert 1, whose rank is full now, has 60 rows left, which is all of it.
    #expect(plan.transfers == [sent(0, 0, 1, 160), sent(1, 1, 2, 60)])
    #expect(plan.rankLoads == [140, 160, 120])
    let whole = SpillPlan(
      loads: [300, 60, 60], rankOfExpert: [0, 1, 2], rankCount: 3,
      rule: SpillPlan.Rule(leastRows: 80))
    #expect(whole.transfers == [sent(0, 0, 1, 80), sent(0, 0, 2, 80)])
    #expect(whole.rankLoads == [140, 140, 140])
  }

  @Test func spillingLosesNoRowsAndKeepsTheLimit() {
    var random = RandomDraws(key: 11, number: 0)
    for ranks in 1...7 {
      for experts in [1, 4, 16, 33] {
        let loads = (0..<experts).map { _ in
          Int.random(in: 0...3, using: &random) == 0 ? Int.random(in: 0...500, using: &random) : 9
        }
        let homes = loads.map { _ in Int.random(in: 0..<ranks, using: &random) }
        let plan = SpillPlan(
          loads: loads, rankOfExpert: homes, rankCount: ranks,
          rule: SpillPlan.Rule(limit: 1.1, leastRows: 1, threshold: 1))
        var expected = Array(repeating: 0, count: ranks)
        for (expert, home) in homes.enumerated() { expected[home] += loads[expert] }
        for transfer in plan.transfers {
          #expect(transfer.rows > 0 && transfer.from == homes[transfer.expert])
          #expect(transfer.from != transfer.to)
          expected[transfer.from] -= transfer.rows
          expected[transfer.to] += transfer.rows
        }
        #expect(plan.rankLoads == expected)
        #expect(plan.rankLoads.reduce(0, +) == loads.reduce(0, +))
        // The limit is rounded down; what is left then is forced: less than a row for each rank.
        let limit = 1.1 * Double(loads.reduce(0, +) / ranks)
        #expect(Double(plan.rankLoads.max()!) <= limit + Double(ranks))
      }
    }
  }

  @Test(arguments: [
    ([100, 60, 50, 10], 20.0, [0], 80.0, [0, 1, 2], 70.0),
    ([100, 90, 30, 10], 20.0, [], 100.0, [0, 1], 70.0),
    ([100, 95, 10, 10], 10.0, [], 100.0, [0, 1], 30.0),
    ([10, 100, 50, 60], 20.0, [1], 80.0, [1, 3, 2], 70.0),
  ])
  func shadowsAreThoseOfTheKnownCases(
    loads: [Int], cost: Double, first: [Int], firstTime: Double, best: [Int], bestTime: Double
  ) {
    func plan(_ rule: ShadowPlan.Rule) -> ShadowPlan {
      ShadowPlan(loads: loads, rowTime: Seconds(1), transferTime: Seconds(cost), rule: rule)
    }
    #expect(plan(.firstStop).experts == first)
    #expect(plan(.firstStop).time == Seconds(firstTime))
    #expect(plan(.bestPrefix).experts == best)
    #expect(plan(.bestPrefix).time == Seconds(bestTime))
  }

  @Test func firstStopLendsWhileTheBatchGetsShorter() {
    let plan = ShadowPlan(
      loads: [10, 2, 1], rowTime: Seconds(1), transferTime: Seconds(0.1), rule: .firstStop)
    #expect(plan.experts == [0, 1])
    let single = ShadowPlan(
      loads: [5], rowTime: Seconds(1), transferTime: Seconds(0), rule: .bestPrefix)
    #expect(single.experts.isEmpty)
    #expect(single.time == Seconds(5))
  }
}
