// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the choice that loads experts and ranks alike.

import MoE
import Testing

@Suite struct BalancedChoiceTests {
  /// [E] assignments of each expert; nil where a token has an expert twice.
  private func counts(_ choice: BalancedChoice, turn: Int) -> [Int]? {
    var counts = Array(repeating: 0, count: choice.expertCount)
    var lastToken = Array(repeating: -1, count: choice.expertCount)
    for token in 0..<choice.tokenCount {
      for k in 0..<choice.topK {
        let expert = choice.expert(token: token, choice: k, turn: turn)
        if lastToken[expert] == token { return nil }
        lastToken[expert] = token
        counts[expert] += 1
      }
    }
    return counts
  }

  /// [R] sums over the contiguous blocks: expert e on rank floor(e R / E).
  private func rankLoads(_ counts: [Int], _ rankCount: Int) -> [Int] {
    var loads = Array(repeating: 0, count: rankCount)
    for (expert, count) in counts.enumerated() { loads[expert * rankCount / counts.count] += count }
    return loads
  }

  private func isEven(_ values: [Int]) -> Bool { values.max()! - values.min()! <= 1 }

  /// What is wrong with a choice on any number of ranks, or on the given one; nil for nothing.
  private func fault(_ choice: BalancedChoice, turn: Int, ranks: ClosedRange<Int>) -> String? {
    let (experts, assignments) = (choice.expertCount, choice.tokenCount * choice.topK)
    let place = "E \(experts), K \(choice.topK), T \(choice.tokenCount)"
    guard let found = counts(choice, turn: turn) else { return "\(place): an expert twice" }
    guard isEven(found), found.reduce(0, +) == assignments else { return "\(place): \(found)" }
    for ranks in ranks {
      let loads = rankLoads(found, ranks)
      let mayBeIdle = ranks > assignments || (experts % ranks != 0 && assignments < experts)
      if !mayBeIdle, loads.contains(0) { return "\(place), R \(ranks): \(loads)" }
      for (rank, load) in loads.enumerated() {
        // Its share of the assignments by its experts, rounded down or up.
        let first = (rank * experts + ranks - 1) / ranks
        let width = ((rank + 1) * experts + ranks - 1) / ranks - first
        let least = width * assignments / experts
        if load < least || load > least + (width * assignments % experts == 0 ? 0 : 1) {
          return "\(place), R \(ranks): rank \(rank) has \(load)"
        }
      }
    }
    return nil
  }

  @Test(arguments: 1...64)
  func everyExpertAndEveryRankIsBalancedForAnyNumberOfRanks(experts: Int) {
    for topK in 1...experts {
      // More tokens repeat whole circles.
      for tokens in 1...max(3, 3 * experts / topK) {
        let choice = BalancedChoice(expertCount: experts, topK: topK, tokenCount: tokens)
        let turn = (tokens * 7 + topK) % experts
        if let fault = fault(choice, turn: turn, ranks: 1...experts) {
          Issue.record("\(fault)")
          return
        }
      }
    }
  }

  @Test(arguments: 1...64)
  func noRankIsIdleWithAsManyAssignmentsAsRanks(experts: Int) {
    for ranks in 1...experts {
      for topK in 1...experts {
        for tokens in max(1, (ranks + topK - 1) / topK)...max(1, (2 * experts + topK - 1) / topK) {
          let choice = BalancedChoice(
            expertCount: experts, topK: topK, tokenCount: tokens, rankCount: ranks)
          let found = counts(choice, turn: (tokens + 3 * topK) % experts)
          let loads = rankLoads(found ?? [0], ranks)
          guard let found, isEven(found), !loads.contains(0),
            tokens * topK >= experts || isEven(loads)
          else {
            Issue.record("E \(experts), K \(topK), T \(tokens), R \(ranks): \(loads)")
            return
          }
        }
      }
    }
  }

  @Test(arguments: [
    (256, 8, 16, 8), (256, 8, 64, 8), (256, 8, 256, 32), (100, 4, 7, 3), (384, 8, 48, 6),
    (16384, 12, 1000, 100), (11, 1, 8, 9), (11, 1, 9, 9), (60, 4, 32, 8), (128, 1, 96, 97),
  ])
  func realShapesLeaveNoRankIdle(experts: Int, topK: Int, ranks: Int, tokens: Int) throws {
    let choice = BalancedChoice(
      expertCount: experts, topK: topK, tokenCount: tokens, rankCount: ranks)
    let found = try #require(counts(choice, turn: 5))
    let loads = rankLoads(found, ranks)
    #expect(isEven(found) && !loads.contains(0))
    // 8 tokens of 256 experts, top-8, on 16 ranks: 4 for each rank, not 8 for every other.
    if experts == 256, ranks == 16 { #expect(loads == Array(repeating: 4, count: 16)) }
  }

  @Test func noNineOfElevenExpertsServeEightAndNineRanks() {
    // Why a number of ranks can be asked for: all sets of 9 experts leave a rank idle.
    for left in 0..<11 {
      for other in 0..<left {
        let counts = (0..<11).map { $0 == left || $0 == other ? 0 : 1 }
        #expect(rankLoads(counts, 8).contains(0) || rankLoads(counts, 9).contains(0))
      }
    }
  }

  @Test func tokensOfASourceRankReachAllRanksEvenly() throws {
    // 64 tokens in blocks of 8 on 8 ranks, top-2 of 64: 16 assignments of each source.
    let choice = BalancedChoice(expertCount: 64, topK: 2, tokenCount: 64)
    for source in 0..<8 {
      var loads = Array(repeating: 0, count: 8)
      for token in source * 8..<source * 8 + 8 {
        for k in 0..<2 { loads[choice.expert(token: token, choice: k) / 8] += 1 }
      }
      #expect(loads.max()! <= 4 && loads.min()! >= 1)
    }
  }
}
