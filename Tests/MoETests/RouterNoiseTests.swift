// SPDX-License-Identifier: Apache-2.0
// epsim: routers whose choices are drawn: noise, jitter, hash, forced balance.

import MoE
import Testing

@Suite struct RouterNoiseTests {
  private func noisy(_ noise: some LogitNoise, _ row: [Float], token: UInt64) -> [Float] {
    var result = [Float](repeating: .nan, count: row.count)
    row.withUnsafeBufferPointer { row in
      result.withUnsafeMutableBufferPointer { noise.perturb(row, token: token, into: $0) }
    }
    return result
  }

  @Test func gaussianNoiseHasItsMeanAndDeviation() {
    let noise = GaussianNoise(standardDeviation: 1.5, layer: 3, seed: 1)
    // An odd number of experts: the second normal number of the last pair is not used.
    let values = (0..<2000).flatMap { token in
      noisy(noise, [Float](repeating: 10, count: 51), token: UInt64(token)).map {
        Double($0) - 10
      }
    }
    let count = Double(values.count)
    let mean = values.reduce(0, +) / count
    let variance = values.reduce(0) { $0 + $1 * $1 } / count
    // Standard errors: 1.5 / sqrt(102000) = 0.0047; 2.25 sqrt(2 / 102000) = 0.01.
    #expect(abs(mean) < 0.02)
    #expect(abs(variance - 2.25) < 0.04)
    let within = Double(values.count { abs($0) < 1.5 }) / count
    #expect(abs(within - 0.6827) < 0.006)
  }

  @Test func jitterIsUniformAroundOne() {
    let noise = UniformJitter(epsilon: 0.1, layer: 0, seed: 1)
    let factors = (0..<1000).flatMap { token in
      noisy(noise, [Float](repeating: 2, count: 50), token: UInt64(token)).map { Double($0) / 2 }
    }
    #expect(factors.allSatisfy { $0 >= 0.9 - 1e-6 && $0 <= 1.1 + 1e-6 })
    let mean = factors.reduce(0, +) / 50_000
    let variance = factors.reduce(0) { $0 + ($1 - 1) * ($1 - 1) } / 50_000
    #expect(abs(mean - 1) < 0.001)
    #expect(abs(variance - 0.01 / 3) < 0.0001)
  }

  @Test func drawsBelongToSeedLayerAndToken() {
    let row = [Float](repeating: 1, count: 8)
    let first = noisy(GaussianNoise(standardDeviation: 1, layer: 0, seed: 1), row, token: 5)
    #expect(first == noisy(GaussianNoise(standardDeviation: 1, layer: 0, seed: 1), row, token: 5))
    for (layer, seed, token) in [(1, 1, 5), (0, 2, 5), (0, 1, 6)] as [(Int, UInt64, UInt64)] {
      let noise = GaussianNoise(standardDeviation: 1, layer: layer, seed: seed)
      #expect(first != noisy(noise, row, token: token))
    }
  }

  @Test func noNoiseIsTheModelsOwnRule() throws {
    let rule = RouterRule(score: .softmax, renormalises: true)
    let rows = RouterRun.logits(seed: 1, tokens: 30, experts: 16)
    func route(_ text: String) throws -> RoutingDecision {
      RouterRun.route(
        try RouterSpec(parsing: text).router(
          model: rule, expertCount: 16, topK: 3, layer: 0, moeLayerRow: 0, seed: 1,
          tokensPerStep: 30), rows)
    }
    #expect(try route("router:noisy:0") == route("router"))
    #expect(try route("router:jitter:0") == route("router"))
    #expect(try route("router:noisy:3") != route("router"))
  }

  @Test func hashedChoicesAreDistinctAndEven() {
    let (experts, topK, tokens) = (16, 5, 8000)
    let router = HashRouter(expertCount: experts, topK: topK, weighting: .equal, layer: 2, seed: 7)
    let rows = [[Float]](repeating: [Float](repeating: .nan, count: experts), count: tokens)
    let decision = RouterRun.route(router, rows)
    var counts = [Int](repeating: 0, count: experts)
    var pairs: [Set<Int32>: Int] = [:]
    for token in 0..<tokens {
      let chosen = decision.chosen(token)
      #expect(Set(chosen).count == topK)
      for expert in chosen { counts[Int(expert)] += 1 }
      for (k, expert) in chosen.enumerated() {
        for other in chosen[..<k] { pairs[[expert, other], default: 0] += 1 }
      }
    }
    // Binomial: 2500 +- 41; five standard deviations.
    for count in counts { #expect(abs(count - 2500) < 210) }
    // Any two experts meet in K (K - 1) / (E (E - 1)) = 1 / 12 of the tokens: 667 +- 25.
    #expect(pairs.count == 120 && pairs.values.allSatisfy { abs($0 - 667) < 125 })
    #expect(decision.routingWeights.allSatisfy { $0 == 0.2 })
  }

  @Test func theFirstMoELayersOfAModelMayHash() throws {
    let rule = RouterRule(
      score: .sqrtSoftplus, renormalises: true, scaling: 1.5, hasSelectionBias: true,
      hashLayerCount: 2)
    let rows = RouterRun.logits(seed: 2, tokens: 10, experts: 12)
    func route(row: Int, seed: UInt64 = 1) throws -> RoutingDecision {
      RouterRun.route(
        try RouterSpec.model.router(
          model: rule, expertCount: 12, topK: 3, layer: row + 1, moeLayerRow: row, seed: seed,
          tokensPerStep: 10), rows)
    }
    let byLogits = RouterRun.route(try TopKRouter(rule: rule, expertCount: 12, topK: 3), rows)
    #expect(try route(row: 2) == byLogits)
    for row in [0, 1] {
      let hashed = try route(row: row)
      #expect(hashed.expertIndices != byLogits.expertIndices)
      #expect(try hashed.expertIndices != route(row: row, seed: 2).expertIndices)
      // Weights are the scores of the chosen, renormalised and scaled.
      for token in rows.indices {
        #expect(abs(hashed.weights(token).reduce(0, +) - 1.5) < 1e-5)
      }
    }
    #expect(try route(row: 0).expertIndices != route(row: 1).expertIndices)
  }

  @Test func forcedBalanceLoadsEveryExpertAlike() throws {
    for (experts, topK, tokens) in [(8, 2, 64), (256, 8, 32), (60, 4, 100), (7, 3, 5)] {
      let router = try RouterSpec(parsing: "router:balanced").router(
        model: RouterRule(score: .softmax, renormalises: true), expertCount: experts, topK: topK,
        layer: 0, moeLayerRow: 0, seed: 1, tokensPerStep: tokens)
      let rows = RouterRun.logits(seed: 1, tokens: tokens, experts: experts)
      for step in [0, 3] {
        let decision = RouterRun.route(router, rows, firstToken: UInt64(step * tokens))
        var counts = [Int](repeating: 0, count: experts)
        for expert in decision.expertIndices { counts[Int(expert)] += 1 }
        #expect(counts.max()! - counts.min()! <= 1, "\(experts) \(topK) \(tokens)")
        for token in rows.indices { #expect(Set(decision.chosen(token)).count == topK) }
      }
    }
  }
}
