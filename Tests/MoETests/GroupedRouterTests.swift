// SPDX-License-Identifier: Apache-2.0
// epsim: tests of choices that are limited to groups, or spread over them.

import Foundation
import MoE
import Testing

@Suite struct GroupedRouterTests {
  /// Scores of 8 experts in 4 groups of 2.
  private let scores: [Float] = [0.90, 0.10, 0.60, 0.55, 0.62, 0.05, 0.50, 0.48]

  /// Softmax of their logarithms is in proportion to them.
  private func chosen(_ groups: RouterRule.GroupLimit?, topK: Int) throws -> [Int32] {
    let router = try TopKRouter(
      rule: RouterRule(score: .softmax, renormalises: false, groups: groups), expertCount: 8,
      topK: topK)
    return RouterRun.route(router, [scores.map { log($0) }]).chosen(0)
  }

  @Test func groupsLimitWhatIsChosen() throws {
    #expect(try chosen(nil, topK: 3) == [0, 4, 2])
    // Sums of the best two: 1.00, 1.15, 0.67, 0.98: groups 1 and 0 are open.
    let sums = RouterRule.GroupLimit(
      groupCount: 4, openCount: 2, summedScores: 2, mask: .minusInfinity)
    #expect(try chosen(sums, topK: 3) == [0, 2, 3])
    // The best scores: groups 0 and 2.
    let best = RouterRule.GroupLimit(
      groupCount: 4, openCount: 2, summedScores: 1, mask: .minusInfinity)
    #expect(try chosen(best, topK: 3) == [0, 4, 1])
  }

  @Test func groupedTakesOneOfEveryGroup() throws {
    let model = try TopKRouter(
      rule: RouterRule(score: .softmax, renormalises: true), expertCount: 8, topK: 4)
    let router = try GroupedRouter(model: model, groups: nil)
    let decision = RouterRun.route(router, [scores.map { log($0) }])
    #expect(router.groupCount == 4 && decision.chosen(0) == [0, 2, 4, 6])
    // 0.90, 0.60, 0.62 and 0.50 of 2.62.
    let expected: [Float] = [0.90, 0.60, 0.62, 0.50].map { $0 / 2.62 }
    #expect(zip(decision.weights(0), expected).allSatisfy { abs($0 - $1) < 1e-6 })
    #expect(
      try RouterRun.route(GroupedRouter(model: model, groups: 2), [scores.map { log($0) }])
        .chosen(0) == [0, 2, 4, 6])
  }

  /// Whatever the scores, a group gets T K / groups assignments.
  @Test func everyGroupGetsTheSame() throws {
    for (groups, topK) in [(2, 4), (4, 4), (1, 4), (8, 8)] {
      let model = try TopKRouter(
        rule: RouterRule(score: .sigmoid, renormalises: true, hasSelectionBias: true),
        expertCount: 16, topK: topK)
      var rows = RouterRun.logits(seed: 3, tokens: 40, experts: 16)
      for token in 0..<10 { rows[token][0...3] = [50, 60, .nan, .infinity] }
      let bias = (0..<16).map { Float($0) - 8 }
      let decision = RouterRun.route(
        try GroupedRouter(model: model, groups: groups), rows, bias: bias)
      var counts = Array(repeating: 0, count: groups)
      for expert in decision.expertIndices { counts[Int(expert) * groups / 16] += 1 }
      #expect(counts == Array(repeating: 40 * topK / groups, count: groups))
      for token in rows.indices { #expect(Set(decision.chosen(token)).count == topK) }
    }
  }

  @Test(arguments: [("router:grouped:3", "divisors"), ("router:grouped:1.5", "whole numbers")])
  func groupsThatDoNotDivideAreRefused(text: String, reason: String) throws {
    let spec = try RouterSpec(parsing: text)
    let error = #expect(throws: InputError.self) {
      try spec.router(
        model: RouterRule(score: .softmax, renormalises: true), expertCount: 16, topK: 4, layer: 0,
        moeLayerRow: 0, seed: 1, tokensPerStep: 4)
    }
    #expect(try #require(error).description.contains(reason))
  }
}
