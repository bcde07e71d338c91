// SPDX-License-Identifier: Apache-2.0
// epsim: routers against what Hugging Face transformers chose.

import MoE
import Testing

@Suite struct RouterVectorTests {
  /// A case of a file of Tests/Fixtures/router-vectors; its README explains the fields.
  struct RoutingCase: Decodable {
    let name: String
    let experts: Int
    let topK: Int
    let score: RouterRule.Score
    let softmaxOver: String
    let renormalise: Bool
    let scaling: Double
    let groups: Int
    let groupLimit: Int
    let groupScore: String
    let mask: String
    let bias: [Float]?
    let order: String
    let logits: [[Float]]
    let indices: [[Int32]]
    let weights: [[Float]]

    var rule: RouterRule {
      RouterRule(
        score: score, scope: softmaxOver == "selected" ? .chosen : .all,
        renormalises: renormalise, scaling: scaling,
        groups: groups == 1
          ? nil
          : .init(
            groupCount: groups, openCount: groupLimit, summedScores: groupScore == "max" ? 1 : 2,
            mask: mask == "zero" ? .zero : .minusInfinity),
        hasSelectionBias: bias != nil)
    }

    /// Scaled weights reach 16, where one unit in the last place of a Float is 1e-6.
    func agrees(_ weight: Float, _ expected: Float) -> Bool {
      abs(weight - expected) <= 1e-6 * max(1, abs(expected))
    }
  }

  @Test(arguments: [
    "mixtral", "qwen", "olmoe", "gpt-oss", "llama-4", "deepseek-v2", "deepseek-v3",
    "deepseek-v3-zero-mask", "glm-4.5", "deepseek-v4",
  ])
  func choicesAndWeightsAreThoseOfTransformers(file: String) throws {
    for vector in try RouterRun.vectors(file, of: RoutingCase.self) {
      let router = try TopKRouter(
        rule: vector.rule, expertCount: vector.experts, topK: vector.topK)
      if vector.order == "of the table" {
        weighsTheTablesExperts(vector, router)
        continue
      }
      let decision = RouterRun.route(router, vector.logits, bias: vector.bias)
      for token in vector.logits.indices {
        var choice = Array(zip(decision.chosen(token), decision.weights(token)))
        if vector.order == "sorted here" {
          // The files sort by the weight, the router by what it compared.
          choice.sort { $0.1 != $1.1 ? $0.1 > $1.1 : $0.0 < $1.0 }
        }
        let expected = Dictionary(
          uniqueKeysWithValues: zip(vector.indices[token], vector.weights[token]))
        if vector.order == "sorted here" {
          // Weights that differ by rounding only may be sorted either way.
          #expect(Set(choice.map(\.0)) == Set(expected.keys), "\(vector.name) token \(token)")
        } else {
          #expect(choice.map(\.0) == vector.indices[token], "\(vector.name) token \(token)")
        }
        for (expert, weight) in choice {
          let wanted = try #require(expected[expert], "\(vector.name) token \(token)")
          #expect(
            vector.agrees(weight, wanted), "\(vector.name) token \(token): \(weight) \(wanted)")
        }
      }
    }
  }

  private func weighsTheTablesExperts(_ vector: RoutingCase, _ router: TopKRouter) {
    for token in vector.logits.indices {
      var weights = [Float](repeating: .nan, count: vector.topK)
      vector.logits[token].withUnsafeBufferPointer { logits in
        vector.indices[token].withUnsafeBufferPointer { chosen in
          weights.withUnsafeMutableBufferPointer { router.weigh(logits, chosen: chosen, into: $0) }
        }
      }
      for (weight, expected) in zip(weights, vector.weights[token]) {
        #expect(vector.agrees(weight, expected), "\(vector.name) token \(token)")
      }
    }
  }

  @Test func theMasksOfTheTwoVersionsChooseDifferently() throws {
    // The same logits and bias, masked by 0 in transformers 4.57.1 and by minus infinity in 5.
    for name in ["every-biased-score-negative", "some-biased-scores-negative"] {
      let decisions = try ["deepseek-v3-zero-mask", "deepseek-v3"].map { file in
        let all = try RouterRun.vectors(file, of: RoutingCase.self)
        let vector = try #require(all.first { $0.name == name })
        let logits = try #require(
          try RouterRun.vectors("deepseek-v3", of: RoutingCase.self).first { $0.name == name }
        ).logits
        let router = try TopKRouter(
          rule: vector.rule, expertCount: vector.experts, topK: vector.topK)
        return RouterRun.route(router, logits, bias: vector.bias)
      }
      #expect(decisions[0] != decisions[1], "\(name)")
    }
  }

  /// Switch drops by position inside each sequence; -1 marks an assignment that its capacity cut.
  @Test func switchChoosesTheMostProbableExpert() throws {
    let router = try TopKRouter(rule: .switchTop1, expertCount: 8, topK: 1)
    for vector in try RouterRun.vectors("switch", of: RoutingCase.self) {
      let decision = RouterRun.route(router, vector.logits)
      for token in vector.logits.indices {
        let expected = vector.indices[token][0]
        #expect(expected == -1 || decision.chosen(token) == [expected], "\(vector.name) \(token)")
        #expect(vector.agrees(decision.weights(token)[0], vector.weights[token][0]))
      }
    }
  }
}
