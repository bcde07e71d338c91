// SPDX-License-Identifier: Apache-2.0
// epsim: preferences, by which an assignment without room is rerouted.

import Foundation
import MoE
import Testing

@Suite struct RouterPreferencesTests {
  private func spec(_ text: String, _ rule: RouterRule, experts: Int = 24) throws -> any Router {
    try RouterSpec(parsing: text).router(
      model: rule, expertCount: experts, topK: 5, layer: 1, moeLayerRow: 1, seed: 4,
      tokensPerStep: 6)
  }

  @Test(arguments: ["router", "router:noisy:1", "router:jitter:0.3"])
  func theLargestPreferencesAreTheChoiceWithItsWeights(text: String) throws {
    let rows = RouterRun.logits(seed: 8, tokens: 6, experts: 24)
    let random = RouterRun.logits(seed: 9, tokens: 1, experts: 24, range: 0.5)[0]
    for rule in RouterRuleTests.rules {
      let router = try spec(text, rule)
      #expect(router.ranksAllExperts)
      for bias in [nil, random] {
        let decision = RouterRun.route(router, rows, bias: bias)
        let preferences = RouterRun.preferences(router, rows, bias: bias)
        for token in rows.indices {
          let (scores, weights) = preferences[token]
          let best = scores.indices
            .sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }.prefix(5)
          #expect(decision.chosen(token) == best.map { Int32($0) }, "\(rule)")
          #expect(decision.weights(token) == best.map { weights[$0] }, "\(rule)")
        }
      }
    }
  }

  @Test func onlyOpenGroupsHaveScores() throws {
    let rule = RouterRule(
      score: .sigmoid, renormalises: true,
      groups: .init(groupCount: 4, openCount: 2, summedScores: 2, mask: .minusInfinity))
    let rows = RouterRun.logits(seed: 10, tokens: 5, experts: 24)
    for (scores, weights) in RouterRun.preferences(try spec("router", rule), rows) {
      #expect(scores.filter { $0 > -.infinity }.count == 12)
      for expert in scores.indices {
        #expect((scores[expert] == -.infinity) == (weights[expert] == 0))
      }
    }
  }

  @Test func theOthersWeighByTheSumOfTheChosen() throws {
    // Softmax terms 8, 4, 2, 1: of two chosen the sum is 12.
    let rows: [[Float]] = [[log(8), log(4), log(2), 0]]
    let router = try TopKRouter(
      rule: RouterRule(score: .softmax, renormalises: true, scaling: 3), expertCount: 4, topK: 2)
    let weights = RouterRun.preferences(router, rows)[0].weights
    for (weight, expected) in zip(weights, [2, 1, 0.5, 0.25] as [Float]) {
      #expect(abs(weight - expected) < 1e-6)
    }
  }

  @Test func nanMustNotBeTaken() throws {
    for rule in RouterRuleTests.rules {
      let router = try spec("router", rule)
      var row = RouterRun.logits(seed: 11, tokens: 1, experts: 24)[0]
      row[3] = .nan
      let (scores, weights) = RouterRun.preferences(router, [row])[0]
      #expect(scores[3] == -.infinity && weights[3] == 0, "\(rule)")
      #expect(weights.allSatisfy { $0.isFinite }, "\(rule)")
    }
  }

  @Test(arguments: ["hash", "balanced", "expert-choice", "sinkhorn"])
  func routersWithoutARankingOfferNothing(name: String) throws {
    let router = try spec("router:" + name, RouterRule(score: .softmax, renormalises: true))
    #expect(!router.ranksAllExperts)
    let rows = RouterRun.logits(seed: 12, tokens: 2, experts: 24)
    for (scores, weights) in RouterRun.preferences(router, rows) {
      #expect(scores.allSatisfy { $0 == -.infinity } && weights.allSatisfy { $0 == 0 })
    }
  }
}
