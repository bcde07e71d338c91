// SPDX-License-Identifier: Apache-2.0
// epsim: every routing rule against a slow, obvious reference.

import Foundation
import MoE
import Testing

@Suite struct RouterRuleTests {
  /// A token's choice by sorting everything, in Double.
  static func reference(
    _ rule: RouterRule, topK: Int, logits: [Float], bias: [Float]?
  ) -> [(expert: Int, weight: Double)] {
    let exact = logits.map { Double($0) }
    func score(_ logit: Double) -> Double {
      switch rule.score {
      case .softmax: exp(logit) / exact.reduce(0) { $0 + exp($1) }
      case .sigmoid: 1 / (1 + exp(-logit))
      case .sqrtSoftplus: log(1 + exp(logit)).squareRoot()
      }
    }
    var values = rule.scope == .all ? exact.map(score) : exact
    if let bias { values = zip(values, bias).map { $0 + Double($1) } }
    var candidates = Array(values.indices)
    if let groups = rule.groups {
      let size = values.count / groups.groupCount
      let counts = (0..<groups.groupCount).map { group in
        values[group * size..<(group + 1) * size].sorted(by: >).prefix(groups.summedScores)
          .reduce(0, +)
      }
      let open = counts.indices.sorted {
        counts[$0] != counts[$1] ? counts[$0] > counts[$1] : $0 < $1
      }
      .prefix(groups.openCount)
      switch groups.mask {
      case .zero:
        for expert in values.indices where !open.contains(expert / size) { values[expert] = 0 }
      case .minusInfinity: candidates.removeAll { !open.contains($0 / size) }
      }
    }
    let chosen =
      candidates
      .sorted { values[$0] != values[$1] ? values[$0] > values[$1] : $0 < $1 }.prefix(topK)
    var weights = chosen.map { score(exact[$0]) }
    if rule.score == .softmax && rule.scope == .chosen {
      let total = chosen.reduce(0) { $0 + exp(exact[$1]) }
      weights = chosen.map { exp(exact[$0]) / total }
    }
    let sum = weights.reduce(1e-20, +)
    return zip(chosen, weights).map {
      ($0, $1 * rule.scaling / (rule.renormalises ? sum : 1))
    }
  }

  /// Rules of every combination that fits 24 experts and top-5.
  static let rules: [RouterRule] = {
    var limits: [RouterRule.GroupLimit?] = [nil]
    for mask in RouterRule.GroupLimit.Mask.allCases {
      for (groups, open, summed) in [
        (4, 2, 1), (4, 2, 2), (6, 3, 3), (8, 3, 2), (4, 1, 2), (24, 5, 1),
      ] {
        limits.append(
          .init(groupCount: groups, openCount: open, summedScores: summed, mask: mask))
      }
    }
    var rules: [RouterRule] = []
    for score in RouterRule.Score.allCases {
      for scope in RouterRule.Scope.allCases {
        for renormalises in [false, true] {
          for limit in limits {
            for scaling in [1, 2.5] {
              rules.append(
                RouterRule(
                  score: score, scope: scope, renormalises: renormalises, scaling: scaling,
                  groups: limit))
            }
          }
        }
      }
    }
    return rules
  }()

  @Test(arguments: [0, 0.5]) func everyRuleChoosesAsTheReference(step: Double) throws {
    let (experts, topK) = (24, 5)
    var compared = 0
    for (number, rule) in Self.rules.enumerated() {
      let router = try TopKRouter(rule: rule, expertCount: experts, topK: topK)
      let rows = RouterRun.logits(
        seed: UInt64(number), tokens: 12, experts: experts, step: step)
      // Biases of either sign, so that biased scores are negative here and there.
      let random = RouterRun.logits(
        seed: 77, tokens: 1, experts: experts, range: 1, step: step / 8)[0]
      for bias in [nil, random] {
        let decision = RouterRun.route(router, rows, bias: bias)
        for token in rows.indices {
          let expected = Self.reference(rule, topK: topK, logits: rows[token], bias: bias)
          #expect(
            decision.chosen(token) == expected.map { Int32($0.expert) },
            "\(rule) bias \(bias != nil) token \(token)")
          for (weight, (_, wanted)) in zip(decision.weights(token), expected) {
            #expect(abs(Double(weight) - wanted) < 2e-6, "\(rule) token \(token)")
          }
          compared += 1
        }
      }
    }
    #expect(compared == 3 * 2 * 2 * 13 * 2 * 2 * 12)
  }

  @Test func aMaskOfZeroLetsClosedGroupsWinAgainstNegativeScores() throws {
    // Two groups of two; scores near 1/2, bias -1 makes all of them negative.
    let rows: [[Float]] = [[1, 1, 0, 0]]
    let bias: [Float] = [-1, -1, -1, -1]
    func chosen(_ mask: RouterRule.GroupLimit.Mask) throws -> [Int32] {
      let rule = RouterRule(
        score: .sigmoid, renormalises: true,
        groups: .init(groupCount: 2, openCount: 1, summedScores: 2, mask: mask))
      return RouterRun.route(
        try TopKRouter(rule: rule, expertCount: 4, topK: 2), rows, bias: bias
      ).expertIndices
    }
    #expect(try chosen(.minusInfinity) == [0, 1])
    #expect(try chosen(.zero) == [2, 3])
  }

  @Test func nanRanksLastAndWeighsNothing() throws {
    for rule in Self.rules where rule.groups == nil {
      let router = try TopKRouter(rule: rule, expertCount: 4, topK: 4)
      for bias in [nil, [Float](repeating: 0.5, count: 4)] {
        let decision = RouterRun.route(router, [[.nan, -3, 2, .nan]], bias: bias)
        #expect(decision.expertIndices == [2, 1, 0, 3], "\(rule)")
        #expect(decision.weights(0)[0] > 0 && decision.weights(0)[1] > 0, "\(rule)")
        #expect(decision.weights(0)[2...] == [0, 0], "\(rule)")
      }
    }
  }

  @Test func infinitiesAreDefined() throws {
    for rule in Self.rules where rule.groups == nil && rule.scaling == 1 {
      let router = try TopKRouter(rule: rule, expertCount: 5, topK: 3)
      let one = RouterRun.route(router, [[0, 1, .infinity, -.infinity, 2]])
      #expect(one.expertIndices == [2, 4, 1], "\(rule)")
      if rule.score == .softmax || (rule.score == .sqrtSoftplus && rule.renormalises) {
        // It takes it all; two of them share.
        #expect(abs(one.routingWeights[0] - 1) < 1e-6 && one.routingWeights[1] < 1e-6, "\(rule)")
        let two = RouterRun.route(router, [[0, .infinity, 1, .infinity, -1]])
        #expect(two.expertIndices == [1, 3, 2], "\(rule)")
        for weight in two.routingWeights[..<2] { #expect(abs(weight - 0.5) < 1e-6, "\(rule)") }
      }
      let nothing = RouterRun.route(
        router, [[.nan, -.infinity, .nan, -.infinity, -.infinity]])
      #expect(nothing.expertIndices == [0, 1, 2], "\(rule)")
      for decision in [one, nothing] {
        #expect(decision.routingWeights.allSatisfy { $0.isFinite && $0 >= 0 }, "\(rule)")
      }
      #expect(nothing.routingWeights == [0, 0, 0], "\(rule)")
    }
  }

  @Test func expertsAreDistinctAndWeightsFiniteWhateverTheLogits() throws {
    let special: [Float] = [
      .nan, .infinity, -.infinity, 0, -0.0, .greatestFiniteMagnitude, -.greatestFiniteMagnitude,
      .leastNonzeroMagnitude, 100, -100, 1,
    ]
    let draws = CounterRandom(seed: 5)
    for (number, rule) in Self.rules.enumerated() {
      let router = try TopKRouter(rule: rule, expertCount: 24, topK: 5)
      func pick(_ place: Int) -> Float {
        special[Int(draws.bits(at: UInt64(number * 1000 + place)) % UInt64(special.count))]
      }
      let rows = (0..<8).map { token in (0..<24).map { pick(token * 24 + $0) } }
      for bias in [nil, (0..<24).map { pick(500 + $0) }] {
        let decision = RouterRun.route(router, rows, bias: bias)
        for token in rows.indices {
          let chosen = Set(decision.chosen(token))
          #expect(chosen.count == 5 && chosen.allSatisfy { (0..<24).contains($0) }, "\(rule)")
        }
        // Squares of the largest score do not occur, so no weight overflows.
        #expect(decision.routingWeights.allSatisfy { $0.isFinite && $0 >= 0 }, "\(rule)")
      }
    }
  }

  @Test func closedGroupsAreNeverChosenUnderMinusInfinity() throws {
    let rule = RouterRule(
      score: .sigmoid, renormalises: true,
      groups: .init(groupCount: 4, openCount: 2, summedScores: 1, mask: .minusInfinity))
    let router = try TopKRouter(rule: rule, expertCount: 8, topK: 4)
    // Groups 1 and 3 are open by 9; their other experts are NaN and still come before 1, 2.
    let decision = RouterRun.route(router, [[1, 1, 9, .nan, 2, 2, .nan, 9]])
    #expect(decision.expertIndices == [2, 7, 3, 6])
    #expect(decision.weights(0)[2...] == [0, 0])
  }

  @Test func choicesDoNotDependOnHowTokensAreSplit() throws {
    let rows = RouterRun.logits(seed: 3, tokens: 20, experts: 16)
    for text in ["router", "router:noisy:2", "router:jitter:0.5", "router:hash", "router:balanced"]
    {
      let router = try RouterSpec(parsing: text).router(
        model: RouterRule(score: .softmax, renormalises: true), expertCount: 16, topK: 3,
        layer: 2, moeLayerRow: 2, seed: 9, tokensPerStep: 20)
      let whole = RouterRun.route(router, rows)
      for cut in [1, 7, 19] {
        let first = RouterRun.route(router, Array(rows[..<cut]))
        let second = RouterRun.route(router, Array(rows[cut...]), firstToken: UInt64(cut))
        #expect(first.expertIndices + second.expertIndices == whole.expertIndices, "\(text)")
        #expect(first.routingWeights + second.routingWeights == whole.routingWeights, "\(text)")
      }
    }
  }

  @Test func rulesThatDoNotFitAreRefused() {
    func refusal(
      _ groups: RouterRule.GroupLimit?, experts: Int = 8, topK: Int = 2, scaling: Double = 1
    ) -> String? {
      let rule = RouterRule(
        score: .sigmoid, renormalises: true, scaling: scaling, groups: groups)
      let error = #expect(throws: InputError.self) {
        try TopKRouter(rule: rule, expertCount: experts, topK: topK)
      }
      return error?.description
    }
    func limit(_ groups: Int, _ open: Int, _ summed: Int) -> RouterRule.GroupLimit {
      .init(groupCount: groups, openCount: open, summedScores: summed, mask: .minusInfinity)
    }
    #expect(refusal(limit(3, 1, 1))?.contains("8 experts do not divide into 3") == true)
    #expect(refusal(limit(0, 1, 1))?.contains("0 router groups") == true)
    #expect(refusal(limit(4, 5, 1))?.contains("5 open") == true)
    #expect(refusal(limit(4, 0, 1))?.contains("0 open") == true)
    #expect(refusal(limit(4, 2, 3))?.contains("sum of 3") == true)
    #expect(refusal(limit(4, 1, 1), topK: 3)?.contains("top-k is 3") == true)
    #expect(refusal(nil, topK: 0)?.contains("top-k is 0") == true)
    #expect(refusal(nil, topK: 9)?.contains("top-k is 9") == true)
    #expect(refusal(nil, experts: 0)?.contains("0 experts") == true)
    #expect(refusal(nil, scaling: .nan)?.contains("nan") == true)
  }
}
