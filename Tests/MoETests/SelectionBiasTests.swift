// SPDX-License-Identifier: Apache-2.0
// epsim: the selection bias balances a skewed router.

import MoE
import Testing

@Suite struct SelectionBiasTests {
  @Test func aStepGoesAgainstTheLoad() {
    var bias: [Float] = [0, 0.5, 0, -1]
    // Mean 5.
    SelectionBias.update(&bias, counts: [10, 5, 3, 2], rate: 0.25)
    #expect(bias == [-0.25, 0.5, 0.25, -0.75])
    SelectionBias.update(&bias, counts: [0, 0, 0, 0], rate: 0.25)
    #expect(bias == [-0.25, 0.5, 0.25, -0.75])
  }

  @Test func theLoadOfASkewedRouterConverges() throws {
    let (experts, topK, tokens) = (16, 4, 1024)
    let rule = RouterRule(score: .sigmoid, renormalises: true, hasSelectionBias: true)
    let router = try TopKRouter(rule: rule, expertCount: experts, topK: topK)
    var bias = [Float](repeating: 0, count: experts)
    var history: [Double] = []
    for step in 0..<400 {
      // Expert e is liked less the higher its number, on fresh tokens in every step.
      let rows = RouterRun.logits(seed: UInt64(step), tokens: tokens, experts: experts, range: 2)
        .map { row in row.enumerated().map { $1 - Float($0) * 0.15 } }
      let decision = RouterRun.route(router, rows, bias: bias)
      var counts = [Double](repeating: 0, count: experts)
      for expert in decision.expertIndices { counts[Int(expert)] += 1 }
      history.append(counts.max()! / (Double(tokens * topK) / Double(experts)))
      SelectionBias.update(&bias, counts: counts, rate: 0.005)
    }
    #expect(history[0] > 2)
    let last = history.suffix(20).reduce(0, +) / 20
    // 256 tokens per expert are random by +- 14: the largest of 16 is about 1.1 times the mean.
    #expect(last < 1.25, "max / mean \(history[0]) to \(last)")
    // The bias goes up as the liking goes down.
    #expect(bias.first! < 0 && bias.last! > 0)
  }
}
