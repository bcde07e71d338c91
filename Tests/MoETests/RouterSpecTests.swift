// SPDX-License-Identifier: Apache-2.0
// epsim: how a live router is written.

import MoE
import Testing

@Suite struct RouterSpecTests {
  @Test func namesAndParametersAreParsed() throws {
    #expect(try RouterSpec(parsing: "router").kind == .model)
    #expect(try RouterSpec(parsing: "router:switch").kind == .switchTop1)
    #expect(try RouterSpec(parsing: "router:noisy").kind == .noisy(standardDeviation: 0.693))
    #expect(try RouterSpec(parsing: "router:noisy:2.5").kind == .noisy(standardDeviation: 2.5))
    #expect(try RouterSpec(parsing: "router:jitter").kind == .jitter(epsilon: 0.01))
    #expect(try RouterSpec(parsing: "router:expert-choice:2").kind == .expertChoice(factor: 2))
    #expect(try RouterSpec(parsing: "router:grouped").kind == .grouped(groups: nil))
    #expect(try RouterSpec(parsing: "router:grouped:8").kind == .grouped(groups: 8))
    #expect(try RouterSpec(parsing: "router:sigmoid").kind == .score(.sigmoid, .all))
    #expect(try RouterSpec(parsing: "router:chosen-softmax").kind == .score(.softmax, .chosen))
    #expect(try RouterSpec(parsing: "router:noisy:2.5").description == "router:noisy:2.5")
    #expect(RouterSpec.model.description == "router")
    #expect(RouterSpec.isRouter("router") && RouterSpec.isRouter("router:x"))
    #expect(!RouterSpec.isRouter("routers") && !RouterSpec.isRouter("zipf:1"))
  }

  @Test(arguments: [
    ("", "accepted are"), ("Router", "accepted are"), ("router:", "noisy[:STD]"),
    ("router:sinkhorn2", "expert-choice[:FACTOR]"), ("router::1", "accepted are"),
    ("router:hash:1", "hash takes no parameter"), ("router:noisy:", "from 0.0 to 1000.0"),
    ("router:noisy:-1", "STD is \"-1\""), ("router:noisy:nan", "STD is \"nan\""),
    ("router:jitter:1.5", "from 0.0 to 1.0"), ("router:expert-choice:0", "FACTOR is \"0\""),
    ("router:noisy:1:2", "STD is \"1:2\""),
  ])
  func otherTextsAreRefused(text: String, reason: String) throws {
    let error = #expect(throws: InputError.self) { try RouterSpec(parsing: text) }
    let sentence = try #require(error).description
    #expect(sentence.contains(reason) && sentence.contains("\"\(text)\""), "\(sentence)")
  }

  @Test func everyNameOfTheCatalogueMakesARouter() throws {
    let rule = RouterRule(
      score: .sigmoid, renormalises: true, scaling: 2.5,
      groups: .init(groupCount: 4, openCount: 2, summedScores: 2, mask: .minusInfinity),
      hasSelectionBias: true)
    let rows = RouterRun.logits(seed: 1, tokens: 12, experts: 16)
    for entry in RouterSpec.catalogue {
      let spec = try RouterSpec(parsing: "router:\(entry.name)")
      if let standard = entry.parameter?.standard {
        #expect(
          try RouterSpec(parsing: "router:\(entry.name):\(standard)").kind == spec.kind)
      }
      let router = try spec.router(
        model: rule, expertCount: 16, topK: 4, layer: 5, moeLayerRow: 2, seed: 1,
        tokensPerStep: 12)
      #expect(router.topK == spec.topK(model: 4), "\(entry.name)")
      let decision = RouterRun.route(router, rows)
      for token in rows.indices {
        let chosen = decision.chosen(token).filter { $0 >= 0 }
        #expect(Set(chosen).count == chosen.count, "\(entry.name)")
        #expect(entry.name == "expert-choice" || chosen.count == router.topK, "\(entry.name)")
      }
      #expect(decision.routingWeights.allSatisfy { $0.isFinite && $0 >= 0 }, "\(entry.name)")
    }
    #expect(Set(RouterSpec.catalogue.map(\.name)).count == 12)
  }

  @Test func numbersThatDoNotFitAreRefused() {
    let rule = RouterRule(score: .softmax, renormalises: true)
    for tokens in [0, -1, Int.max] {
      #expect(throws: InputError.self) {
        try RouterSpec(parsing: "router:balanced").router(
          model: rule, expertCount: 8, topK: 2, layer: 0, moeLayerRow: 0, seed: 1,
          tokensPerStep: tokens)
      }
    }
    for (experts, topK) in [(0, 1), (4, 5), (4, 0)] {
      for entry in RouterSpec.catalogue {
        #expect(throws: InputError.self) {
          try RouterSpec(parsing: "router:\(entry.name)").router(
            model: rule, expertCount: experts, topK: topK, layer: 0, moeLayerRow: 0, seed: 1,
            tokensPerStep: 8)
        }
      }
    }
  }
}
