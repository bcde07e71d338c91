// SPDX-License-Identifier: Apache-2.0
// epsim: tests of capacity, drop policies and the drop forecast.

import Foundation
import MoE
import Testing

@Suite struct CapacityTests {
  /// Skewed choices of K distinct experts with weights that differ.
  private func batch(tokens: Int, experts: Int, topK: Int, seed: UInt64) -> RoutingDecision {
    let random = CounterRandom(seed: seed, 7)
    var ids: [Int32] = []
    var weights: [Float] = []
    for token in 0..<tokens {
      var open = Array(0..<Int32(experts))
      for k in 0..<topK {
        let draw = random.unit(at: UInt64(token * topK + k))
        ids.append(open.remove(at: Int(draw * draw * Double(open.count))))
        weights.append(Float(random.unit(at: UInt64(1 << 40 + token * topK + k))))
      }
    }
    return RoutingDecision(topK: topK, expertIndices: ids, routingWeights: weights)
  }

  private func limited(
    _ decision: RoutingDecision, _ rule: CapacityRule, experts: Int,
    preferences: CapacityLimiter.Preferences? = nil
  ) -> RoutingDecision {
    var result = decision
    let limiter = CapacityLimiter(
      rule: rule, expertCount: experts, assignmentCapacity: decision.expertIndices.count, seed: 3)
    let tokens = (0..<UInt64(decision.tokenCount)).map { $0 + 1000 }
    tokens.withUnsafeBufferPointer { tokens in
      if let preferences {
        limiter.limit(
          &result, tokens: tokens, topK: decision.topK, layer: 1, preferences: preferences)
      } else {
        limiter.limit(&result, tokens: tokens, topK: decision.topK, layer: 1)
      }
    }
    return result
  }

  private func loads(_ decision: RoutingDecision, experts: Int) -> [Int] {
    var loads = Array(repeating: 0, count: experts)
    for expert in decision.expertIndices where expert >= 0 { loads[Int(expert)] += 1 }
    return loads
  }

  @Test func capacityIsTheMeanLoadTimesTheFactorRoundedUp() {
    func capacity(_ factor: Double, _ tokens: Int, _ topK: Int, _ experts: Int) -> Int {
      CapacityRule(factor: factor).capacity(tokens: tokens, topK: topK, expertCount: experts)
    }
    #expect(capacity(1, 1024, 2, 8) == 256)
    #expect(capacity(1.25, 1024, 2, 8) == 320)
    #expect(capacity(1.1, 100, 1, 10) == 11)
    #expect(capacity(1, 10, 1, 64) == 1)
    #expect(capacity(1, 0, 1, 64) == 0)
  }

  @Test(arguments: [CapacityRule.DropPolicy.position, .probability, .random])
  func everyExpertKeepsItsBestAssignmentsUpToItsCapacity(policy: CapacityRule.DropPolicy) {
    for seed in 0..<20 as Range<UInt64> {
      let (tokens, experts, topK) = (Int(1 + seed * 5), 9, Int(1 + seed % 4))
      let decision = batch(tokens: tokens, experts: experts, topK: topK, seed: seed)
      let rule = CapacityRule(factor: [0.3, 1, 1.25, 9][Int(seed % 4)], policy: policy)
      let capacity = rule.capacity(tokens: tokens, topK: topK, expertCount: experts)
      let result = limited(decision, rule, experts: experts)
      for expert in 0..<Int32(experts) {
        let before = decision.expertIndices.indices.filter { decision.expertIndices[$0] == expert }
        let after = result.expertIndices.indices.filter { result.expertIndices[$0] == expert }
        #expect(after.count == min(capacity, before.count))
        let dropped = before.filter { !after.contains($0) }
        switch policy {
        case .position: #expect(after == Array(before.prefix(capacity)))
        case .probability:
          let least = after.map { decision.routingWeights[$0] }.min() ?? 0
          #expect(dropped.allSatisfy { decision.routingWeights[$0] <= least })
        default: break
        }
        #expect(after.allSatisfy { result.routingWeights[$0] == decision.routingWeights[$0] })
        #expect(dropped.allSatisfy { result.routingWeights[$0] == 0 })
      }
    }
  }

  @Test func randomDropsAreFairAndReproducible() {
    let tokens = 4000
    let decision = RoutingDecision(
      topK: 1, expertIndices: Array(repeating: 0, count: tokens),
      routingWeights: Array(repeating: 1, count: tokens))
    let rule = CapacityRule(factor: 1, policy: .random)
    let result = limited(decision, rule, experts: 2)
    #expect(result == limited(decision, rule, experts: 2))
    let keptInFirstHalf = result.expertIndices[..<(tokens / 2)].count { $0 == 0 }
    // Hypergeometric: 1000 expected, standard deviation 15.8.
    #expect(abs(keptInFirstHalf - 1000) < 80)
  }

  @Test func reroutingUsesTheNextBestExpertWithRoom() {
    // Three tokens want expert 0, which has room for one (3 x 1 / 3 = 1 each).
    let decision = RoutingDecision(
      topK: 1, expertIndices: [0, 0, 0], routingWeights: [0.9, 0.8, 0.7])
    let preferred: [[Float]] = [[9, 8, 7], [9, 8, 7], [9, 8, -.infinity]]
    let result = limited(
      decision, CapacityRule(factor: 1, policy: .reroute), experts: 3
    ) { token, scores, weights in
      for expert in 0..<3 {
        scores[expert] = preferred[token][expert]
        weights[expert] = Float(expert) / 10
      }
    }
    // Token 2 would take expert 1, which token 1 has filled, and expert 2 is closed to it.
    #expect(result.expertIndices == [0, 1, -1])
    #expect(result.routingWeights == [0.9, 0.1, 0])
  }

  @Test func reroutingFillsFreeSlotsWithDistinctExperts() {
    for seed in 0..<20 as Range<UInt64> {
      let (tokens, experts, topK) = (40, 8, 3)
      let decision = batch(tokens: tokens, experts: experts, topK: topK, seed: seed)
      let rule = CapacityRule(factor: 1, policy: .reroute)
      let random = CounterRandom(seed: seed, 9)
      let result = limited(decision, rule, experts: experts) { token, scores, weights in
        for expert in 0..<experts {
          scores[expert] = Float(random.unit(at: UInt64(token * experts + expert)))
          weights[expert] = 0.5
        }
      }
      let capacity = rule.capacity(tokens: tokens, topK: topK, expertCount: experts)
      let kept = loads(result, experts: experts)
      #expect(kept.allSatisfy { $0 <= capacity })
      let positional = limited(decision, CapacityRule(factor: 1), experts: experts)
      #expect(kept.reduce(0, +) > loads(positional, experts: experts).reduce(0, +))
      for token in 0..<tokens {
        let own = result.expertIndices[token * topK..<(token + 1) * topK].filter { $0 >= 0 }
        #expect(Set(own).count == own.count)
        // What is still dropped had no expert with room that it did not use already.
        guard own.count < topK else { continue }
        #expect((0..<experts).allSatisfy { kept[$0] == capacity || own.contains(Int32($0)) })
      }
    }
  }

  @Test func forecastIsTheSumOverTheBinomialLaw() {
    // Two experts, one token each way with probability 1/2: overflow of C = 1 from 2 draws is
    // P(X = 2) = 1/4 for each, so half an assignment of two.
    let forecast = DropForecast(
      loads: [5, 5], tokens: 2, topK: 1, rule: CapacityRule(factor: 1))
    #expect(abs(forecast.droppedShare - 0.25) < 1e-14)
    #expect(abs(forecast.utilisation - 0.75) < 1e-14)
    // An expert that every token chooses overflows for certain.
    let certain = DropForecast(
      loads: [10, 10, 0, 0], tokens: 100, topK: 2, rule: CapacityRule(factor: 1))
    #expect(abs(certain.droppedShare - 0.5) < 1e-14)
  }

  @Test func forecastAgreesWithDrawnBatches() {
    let loads = [400, 200, 100, 100, 80, 60, 40, 20]
    let rule = CapacityRule(factor: 1.25)
    let (tokens, rounds) = (500, 400)
    let forecast = DropForecast(loads: loads, tokens: tokens, topK: 1, rule: rule)
    let random = CounterRandom(seed: 5, 1)
    var dropped = 0
    for round in 0..<rounds {
      var counts = Array(repeating: 0, count: loads.count)
      for token in 0..<tokens {
        var point = random.unit(at: UInt64(round * tokens + token)) * 1000
        let expert = loads.firstIndex {
          point -= Double($0)
          return point < 0
        }!
        counts[expert] += 1
      }
      let capacity = rule.capacity(tokens: tokens, topK: 1, expertCount: loads.count)
      dropped += counts.reduce(0) { $0 + max(0, $1 - capacity) }
    }
    let share = Double(dropped) / Double(tokens * rounds)
    #expect(abs(share - forecast.droppedShare) < 0.003)
    #expect(forecast.droppedShare > 0.2)
  }
}
