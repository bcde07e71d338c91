// SPDX-License-Identifier: Apache-2.0
// epsim: routers that look at the whole batch: expert choice and Sinkhorn.

import Foundation
import MoE
import Testing

@Suite struct RouterBatchTests {
  /// Softmax of a row in Double.
  private func softmax(_ row: [Float]) -> [Double] {
    let terms = row.map { exp(Double($0)) }
    let total = terms.reduce(0, +)
    return terms.map { $0 / total }
  }

  @Test(arguments: [(8, 2, 64, 1.0), (8, 2, 63, 1.25), (16, 1, 40, 2.0), (4, 4, 9, 1.0)])
  func everyExpertTakesItsBestTokens(_ experts: Int, _ topK: Int, _ tokens: Int, _ factor: Double)
    throws
  {
    let router = try ExpertChoiceRouter(expertCount: experts, topK: topK, factor: factor)
    let rows = RouterRun.logits(seed: 21, tokens: tokens, experts: experts)
    let share = router.tokensPerExpert(tokenCount: tokens)
    #expect(share == Int((Double(tokens * topK) * factor / Double(experts)).rounded(.up)))
    let decision = RouterRun.route(router, rows)
    let assignment = ExpertAssignment(decision, expertCount: experts)
    let scores = rows.map(softmax)
    for expert in 0..<experts {
      let entries = assignment.offsets[expert]..<assignment.offsets[expert + 1]
      let expected = (0..<tokens)
        .sorted { (scores[$0][expert], $1) > (scores[$1][expert], $0) }.prefix(share).sorted()
      #expect(assignment.tokens[entries].map { Int($0) } == expected, "expert \(expert)")
      for (token, weight) in zip(expected, assignment.weights[entries]) {
        #expect(abs(Double(weight) - scores[token][expert]) < 1e-6)
      }
    }
    #expect(try assignment.decision(tokenCount: tokens, width: experts) == decision)
  }

  @Test func tiesGoToTheLowerTokenAndNanLast() throws {
    let router = try ExpertChoiceRouter(expertCount: 2, topK: 1)
    let rows: [[Float]] = [[.nan, .nan], [1, 1], [1, 1], [1, 1]]
    let assignment = ExpertAssignment(RouterRun.route(router, rows), expertCount: 2)
    #expect(assignment.offsets == [0, 2, 4])
    #expect(assignment.tokens == [1, 2, 1, 2])
    #expect(assignment.weights == [0.5, 0.5, 0.5, 0.5])
    let all = try ExpertChoiceRouter(expertCount: 2, topK: 2)
    let nan = ExpertAssignment(RouterRun.route(all, [[.nan, .nan], [1, 1]]), expertCount: 2)
    #expect(nan.weights == [0, 0.5, 0, 0.5])
  }

  @Test func aPopularTokenIsTakenByEveryExpert() throws {
    let router = try ExpertChoiceRouter(expertCount: 8, topK: 1)
    #expect(router.choiceWidth == 8)
    // All logits equal: every expert takes the first token.
    let decision = RouterRun.route(
      router, [[Float]](repeating: [Float](repeating: 0, count: 8), count: 8))
    #expect(decision.chosen(0) == [0, 1, 2, 3, 4, 5, 6, 7])
    #expect(decision.expertIndices[8...].allSatisfy { $0 == RoutingDecision.dropped })
    #expect(decision.routingWeights[8...].allSatisfy { $0 == 0 })
  }

  @Test func manyExpertsStillTakeTheirShareWhenTokensAreFull() throws {
    let (experts, tokens) = (256, 512)
    let router = try ExpertChoiceRouter(expertCount: experts, topK: 8, factor: 1.25)
    #expect(router.choiceWidth == 64)
    #expect(try ExpertChoiceRouter(expertCount: 512, topK: 10).choiceWidth == 80)
    #expect(try ExpertChoiceRouter(expertCount: 96, topK: 20).choiceWidth == 96)
    // All logits are equal, so every expert wants the same tokens, whose places are soon taken.
    let rows = [[Float]](repeating: [Float](repeating: 0, count: experts), count: tokens)
    let assignment = ExpertAssignment(RouterRun.route(router, rows), expertCount: experts)
    let share = router.tokensPerExpert(tokenCount: tokens)
    #expect(share == 20)
    for expert in 0..<experts {
      #expect(assignment.offsets[expert + 1] - assignment.offsets[expert] == share)
    }
    #expect(assignment.widest <= 64)
    // One token for 256 experts: as many as it has places for.
    let one = ExpertAssignment(
      RouterRun.route(router, [[Float](repeating: 0, count: experts)]), expertCount: experts)
    #expect(one.tokens.count == 64)
  }

  @Test func selectionAgreesWithSorting() throws {
    // Expert choice of one expert over many tokens is the selection of the C largest: equal,
    // ascending, descending and repeated values are what breaks such code.
    let patterns: [(Int) -> Float] = [
      { _ in 1 }, { Float($0) * 0.01 }, { -Float($0) * 0.01 }, { Float($0 % 3) },
      { Float(($0 * 7919) % 101) * 0.02 },
    ]
    for (number, pattern) in patterns.enumerated() {
      for tokens in [1, 2, 3, 10, 101] {
        let router = try ExpertChoiceRouter(expertCount: 2, topK: 1)
        let rows = (0..<tokens).map { [pattern($0), 0] }
        let assignment = ExpertAssignment(RouterRun.route(router, rows), expertCount: 2)
        let share = router.tokensPerExpert(tokenCount: tokens)
        let expected = (0..<tokens)
          .sorted { rows[$0][0] != rows[$1][0] ? rows[$0][0] > rows[$1][0] : $0 < $1 }
          .prefix(share).sorted()
        #expect(
          assignment.tokens[..<assignment.offsets[1]].map { Int($0) } == expected,
          "pattern \(number), \(tokens) tokens")
      }
    }
  }

  @Test func decisionsThatAreTooNarrowAreRefused() throws {
    let decision = RoutingDecision(
      topK: 2, expertIndices: [0, 2, 1, -1], routingWeights: [1, 2, 3, 0])
    let assignment = ExpertAssignment(decision, expertCount: 3)
    #expect(assignment.offsets == [0, 1, 2, 3])
    #expect(assignment.tokens == [0, 1, 0] && assignment.weights == [1, 3, 2])
    #expect(try assignment.decision(tokenCount: 2, width: 2) == decision)
    #expect(throws: InputError.self) { try assignment.decision(tokenCount: 2, width: 1) }
    #expect(throws: InputError.self) { try ExpertChoiceRouter(expertCount: 4, topK: 1, factor: 0) }
    #expect(throws: InputError.self) { try ExpertChoiceRouter(expertCount: 4, topK: 5) }
  }

  /// Assignments per expert.
  private func load(_ decision: RoutingDecision, _ experts: Int) -> [Int] {
    var counts = [Int](repeating: 0, count: experts)
    for expert in decision.expertIndices { counts[Int(expert)] += 1 }
    return counts
  }

  @Test(arguments: [1, 2]) func sinkhornBalancesASkewedBatch(topK: Int) throws {
    let (experts, tokens) = (8, 512)
    let model = try TopKRouter(
      rule: RouterRule(score: .softmax, renormalises: false), expertCount: experts, topK: topK)
    // Logits with a preference for low experts that plain top-k follows.
    let rows = RouterRun.logits(seed: 31, tokens: tokens, experts: experts, range: 2).map { row in
      row.enumerated().map { $1 - Float($0) * 0.5 }
    }
    let mean = tokens * topK / experts
    #expect(load(RouterRun.route(model, rows), experts).max()! > 2 * mean)
    let decision = RouterRun.route(SinkhornRouter(model: model), rows)
    let counts = load(decision, experts)
    #expect(
      Double(counts.max()!) < 1.25 * Double(mean) && Double(counts.min()!) > 0.75 * Double(mean))
    // Weights come from the raw logits.
    for token in rows.indices {
      let scores = softmax(rows[token])
      for (expert, weight) in zip(decision.chosen(token), decision.weights(token)) {
        #expect(abs(Double(weight) - scores[Int(expert)]) < 1e-6)
      }
    }
  }

  @Test func sinkhornChoosesAsTheIterationInDouble() throws {
    let (experts, tokens) = (6, 500)
    let model = try TopKRouter(
      rule: RouterRule(score: .sigmoid, renormalises: true), expertCount: experts, topK: 2)
    // Skewed, so that the iteration takes its time and an early end would show.
    let rows = RouterRun.logits(seed: 32, tokens: tokens, experts: experts).map { row in
      row.enumerated().map { $1 - Float($0) }
    }
    // As Megatron-LM: without a limit, rows not divided by their largest entry.
    let costs = rows.map { $0.map { exp(Double($0)) } }
    var (d0, d1) = ([Double](repeating: 1, count: tokens), [Double](repeating: 1, count: experts))
    var error = 1e9
    while error > 1e-4 {
      let old = d1
      for t in 0..<tokens {
        d0[t] = 1 / (Double(tokens) * (zip(d1, costs[t]).reduce(0) { $0 + $1.0 * $1.1 } + 1e-8))
      }
      for e in 0..<experts {
        d1[e] =
          1 / (Double(experts) * ((0..<tokens).reduce(0) { $0 + d0[$1] * costs[$1][e] } + 1e-8))
      }
      error = zip(old, d1).reduce(0) { $0 + abs($1.0 - $1.1) } / Double(experts)
    }
    let decision = RouterRun.route(SinkhornRouter(model: model), rows)
    for t in 0..<tokens {
      let values = (0..<experts).map { d1[$0] * costs[t][$0] * d0[t] }
      let best = (0..<experts).sorted { values[$0] > values[$1] }.prefix(2).map { Int32($0) }
      #expect(decision.chosen(t) == best, "token \(t)")
    }
  }

  @Test func sinkhornSurvivesAnything() throws {
    let model = try TopKRouter(
      rule: RouterRule(score: .softmax, renormalises: true), expertCount: 4, topK: 2)
    let rows: [[Float]] = [
      [.nan, .nan, .nan, .nan], [.infinity, 0, .nan, 1], [-.infinity, -.infinity, 0, 1],
      [1e30, -1e30, 0, 0], [-.infinity, -.infinity, -.infinity, -.infinity],
    ]
    let decision = RouterRun.route(SinkhornRouter(model: model), rows)
    for token in rows.indices { #expect(Set(decision.chosen(token)).count == 2) }
    #expect(decision.chosen(1)[0] == 0)
    #expect(decision.routingWeights.allSatisfy { $0.isFinite && $0 >= 0 })
    let empty = RouterRun.route(SinkhornRouter(model: model), [])
    #expect(empty.tokenCount == 0)
    let choice = try ExpertChoiceRouter(expertCount: 4, topK: 2)
    #expect(RouterRun.route(choice, []).tokenCount == 0)
    #expect(RouterRun.route(choice, rows).routingWeights.allSatisfy { $0.isFinite && $0 >= 0 })
  }
}
