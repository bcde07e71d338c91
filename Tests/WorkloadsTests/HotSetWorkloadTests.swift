// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the W0 to W7 set.

import MoE
import Testing
import Workloads

@Suite struct HotSetWorkloadTests {
  private let tokens = 40_000

  /// [R] loads of contiguous ranks.
  private func rankLoads(_ counts: [Int], _ ranks: Int) -> [Int] {
    var loads = Array(repeating: 0, count: ranks)
    for (expert, count) in counts.enumerated() { loads[expert * ranks / counts.count] += count }
    return loads
  }

  /// Checks the counts of an E = 64, K = 4, R = 8 workload against heat 0.6.
  ///
  /// A hot token takes 4 of the 8 hot experts, another 4 of 64: probability 0.6 / 2 + 0.4 / 16 of a
  /// hot expert and 0.4 / 16 of any other.
  private func expectHeat(_ counts: [Int], on hot: Set<Int>) {
    #expect(hot.count == 8)
    for (expert, count) in counts.enumerated() {
      expectCount(
        count, of: tokens, probability: hot.contains(expert) ? 0.325 : 0.025, "expert \(expert)")
    }
  }

  @Test func hotExpertsAreAnotherRandomSetInEachLayer() throws {
    let source = try generator("w1:0.6", experts: 64, topK: 4) as! HotSetWorkload
    let sets = (0..<4).map { Set(source.hotExperts(layer: $0, step: 9).map { Int($0) }) }
    #expect(Set(sets).count == 4)
    expectHeat(counts(source, layer: 2, tokens: tokens), on: sets[2])
  }

  @Test func aHotRankIsTheFirstContiguousBlock() throws {
    let source = try generator("w2:0.6", experts: 64, topK: 4)
    let found = counts(source, layer: 1, tokens: tokens)
    expectHeat(found, on: Set(0..<8))
    // Load of rank 0: 8 * 0.325 of 4 assignments per token, 5.2 times the mean.
    let loads = rankLoads(found, 8)
    #expect(abs(Double(loads[0]) / Double(4 * tokens) * 8 - 5.2) < 0.1)
  }

  @Test func spreadHeatIsOnAllRanksAlike() throws {
    let source = try generator("w3:0.6", experts: 64, topK: 4)
    let found = counts(source, layer: 1, tokens: tokens)
    expectHeat(found, on: Set((0..<8).map { $0 * 8 }))
    let loads = rankLoads(found, 8)
    #expect(Double(loads.max()!) / Double(4 * tokens) * 8 < 1.03)
  }

  @Test func aRotatingHotSpotMovesToTheNextRank() throws {
    let source = try generator("w6:0.6:every=2", experts: 64, topK: 4)
    for (step, rank) in [(0, 0), (1, 0), (2, 1), (15, 7), (16, 0)] {
      let found = counts(source, steps: step..<step + 1, tokens: tokens)
      expectHeat(found, on: Set(rank * 8..<(rank + 1) * 8))
    }
  }

  @Test func aBurstIsInTheLastOfFourSteps() throws {
    let source = try generator("w7:0.6", experts: 64, topK: 4)
    for step in [0, 1, 2, 4] {
      for count in counts(source, steps: step..<step + 1, tokens: tokens) {
        expectCount(count, of: tokens, probability: 4.0 / 64)
      }
    }
    expectHeat(counts(source, steps: 7..<8, tokens: tokens), on: Set(0..<8))
  }

  @Test func aHotSetSmallerThanTopKIsTakenWhole() throws {
    // 2 of 16 experts are hot, K is 5: hot tokens take both and 3 of the other 14.
    let source = try generator("w2:1:ranks=8", experts: 16, topK: 5)
    for chosen in choices(source, tokens: 200) {
      #expect(Set(chosen.prefix(2)) == [0, 1] && Set(chosen).count == 5)
    }
    let found = counts(source, tokens: tokens)
    for expert in 2..<16 { expectCount(found[expert], of: tokens, probability: 3.0 / 14) }
  }

  @Test func ranksThatDoNotDivideHaveTheirOwnBlocks() throws {
    // 10 experts on 4 ranks: blocks of 3, 2, 3, 2 by floor(4 e / 10).
    let source = try generator("w6:1:ranks=4:every=1", experts: 10, topK: 1) as! HotSetWorkload
    let blocks = (0..<4).map { source.hotExperts(layer: 0, step: $0).map { Int($0) } }
    #expect(blocks == [[0, 1, 2], [3, 4], [5, 6, 7], [8, 9]])
    for step in 0..<4 {
      let found = choices(source, step: step, tokens: 100).flatMap { $0 }
      #expect(Set(found) == Set(blocks[step]))
    }
    // More ranks than experts: as many as experts.
    let small = try generator("w2:1:ranks=64", experts: 4, topK: 1) as! HotSetWorkload
    #expect(small.rankCount == 4 && small.hotExperts(layer: 0, step: 0) == [0])
  }

  @Test func idleExpertsAreNeverChosen() throws {
    let source = try generator("w5:0.25", experts: 16, topK: 2)
    let found = counts(source, tokens: tokens)
    #expect(found[..<4].allSatisfy { $0 == 0 })
    for expert in 4..<16 { expectCount(found[expert], of: tokens, probability: 2.0 / 12) }
    let full = try generator("idle:1", experts: 16, topK: 3) as! IdleWorkload
    #expect(full.idleCount == 13)
    #expect(counts(full, tokens: 7).suffix(3) == [7, 7, 7])
  }

  @Test func balancedStepsLoadExpertsAndRanksAlike() throws {
    for (experts, topK, tokens) in [(64, 6, 500), (256, 8, 8), (8, 2, 3), (60, 4, 1), (9, 9, 5)] {
      for text in ["w0", "balanced:16"] {
        let source = try generator(text, experts: experts, topK: topK, tokens: tokens)
        for step in 0..<3 {
          let found = counts(source, layer: 2, steps: step..<step + 1, tokens: tokens)
          #expect(found.max()! - found.min()! <= 1)
          for ranks in 1...experts where experts % ranks == 0 {
            let loads = rankLoads(found, ranks)
            #expect(loads.max()! - loads.min()! <= 1)
          }
        }
      }
    }
  }

  @Test(arguments: [0, -1, 1 << 31, Int.max])
  func stepsThatCannotBeBalancedAreRefused(tokens: Int) {
    expectInputError("\(tokens) tokens per step", "1 to 2147483647") {
      _ = try generator("w0", experts: 64, topK: 2, tokens: tokens)
    }
  }

  @Test func smallBalancedStepsReachAllExpertsInTime() throws {
    // 4 tokens of top-2 reach 8 of 64 experts in a step, others in the next.
    let source = try generator("balanced", experts: 64, topK: 2, tokens: 4)
    let found = counts(source, steps: 0..<200, tokens: 4)
    #expect(found.allSatisfy { $0 > 0 })
  }

  @Test func raggedTokensGrowFromRankToRank() throws {
    let ranks = try TokenAssignment.ragged.ranks(tokenCount: 1000, rankCount: 4)
    #expect((0..<4).map { rank in ranks.count(where: { $0 == rank }) } == [100, 200, 300, 400])
    #expect(ranks == ranks.sorted())
    for tokens in 0...20 {
      for count in 1...9 {
        let ranks = try TokenAssignment.ragged.ranks(tokenCount: tokens, rankCount: count)
        #expect(ranks.count == tokens && ranks.allSatisfy { $0 >= 0 && $0 < count })
      }
    }
    #expect(try WorkloadSpec(parsing: "w4").requiredAssignment == .ragged)
    #expect(try WorkloadSpec(parsing: "w3").requiredAssignment == nil)
    // The routing itself is uniform.
    let source = try generator("ragged", experts: 16, topK: 2)
    for count in counts(source, tokens: tokens) {
      expectCount(count, of: tokens, probability: 2.0 / 16)
    }
  }
}
