// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the softmax top-k router.

import Foundation
import MoE
import Testing

@Suite struct RouterTests {
  private func route(_ logits: [Float], topK: Int, renormalises: Bool) -> RoutingDecision {
    let router = SoftmaxTopKRouter(
      expertCount: logits.count, topK: topK, renormalises: renormalises)
    var decision = RoutingDecision(tokenCount: 1, topK: topK)
    logits.withUnsafeBufferPointer { logits in
      [UInt64(0)].withUnsafeBufferPointer { tokens in
        router.route(
          RouterBatch(
            logits: logits, tokens: tokens,
            scratch: UnsafeMutableBufferPointer(start: nil, count: 0)),
          into: &decision)
      }
    }
    return decision
  }

  @Test func weightsAreSoftmaxProbabilitiesOfTheLargestLogits() {
    // exp: 1, 2, 4, 1 -> total 8.
    let decision = route([0, log(2), log(4), 0], topK: 2, renormalises: false)
    #expect(decision.expertIndices == [2, 1])
    #expect(abs(decision.routingWeights[0] - 0.5) < 1e-6)
    #expect(abs(decision.routingWeights[1] - 0.25) < 1e-6)
  }

  @Test func renormalisedWeightsAddUpToOne() {
    let decision = route([0, log(2), log(4), 0], topK: 2, renormalises: true)
    #expect(abs(decision.routingWeights[0] - 2.0 / 3) < 1e-6)
    #expect(abs(decision.routingWeights[1] - 1.0 / 3) < 1e-6)
  }

  @Test func tiesGoToTheLowerIndex() {
    #expect(route([1, 3, 3, 1, 3], topK: 4, renormalises: true).expertIndices == [1, 2, 4, 0])
  }

  @Test func expertsAreDistinctWhateverTheLogits() {
    let rows: [[Float]] = [
      [.nan, .nan, .nan, .nan], [.infinity, .infinity, 0, .nan], [-.infinity, -.infinity, 0, 1],
      [-.infinity, -.infinity, -.infinity, -.infinity], [0, .nan, 0, 0],
    ]
    for row in rows {
      let decision = route(row, topK: 3, renormalises: true)
      #expect(Set(decision.expertIndices).count == 3, "\(row)")
      #expect(decision.routingWeights.allSatisfy { $0.isFinite && $0 >= 0 }, "\(row)")
    }
  }

  @Test func aRouterThatIsNotBuiltIsRefused() throws {
    let model = ModelShape(
      name: "sigmoid-model", source: "test", hiddenSize: 8, expertFFNSize: 8, expertCount: 8,
      topK: 2, sharedExpertCount: 0, layerCount: 1, denseLayerCount: 0, denseFFNSize: 0,
      vocabularySize: 0, attention: [], expertGroupCount: 1,
      router: RouterRule(score: .sigmoid, renormalises: true))
    let error = #expect(throws: InputError.self) { try SoftmaxTopKRouter(model: model) }
    #expect(try #require(error).description.contains("sigmoid"))
  }
}
