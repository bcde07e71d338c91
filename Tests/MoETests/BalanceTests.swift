// SPDX-License-Identifier: Apache-2.0
// epsim: balance losses against transformers, closed forms and the whole batch.

import Foundation
import MoE
import Testing

@Suite struct BalanceTests {
  private func sums(
    _ rows: [[Float]], _ decision: RoutingDecision, score: RouterRule.Score = .softmax,
    devices: Int = 1, segments: [Int32]? = nil, segmentCount: Int = 1
  ) throws -> BalanceSums {
    var sums = try BalanceSums(
      expertCount: rows.first?.count ?? 4, deviceCount: devices, segmentCount: segmentCount)
    add(rows, decision, to: &sums, score: score, segments: segments)
    return sums
  }

  private func add(
    _ rows: [[Float]], _ decision: RoutingDecision, to sums: inout BalanceSums,
    score: RouterRule.Score = .softmax, segments: [Int32]? = nil
  ) {
    rows.flatMap { $0 }.withUnsafeBufferPointer { logits in
      guard let segments else {
        return sums.add(logits: logits, decision: decision, score: score)
      }
      segments.withUnsafeBufferPointer {
        sums.add(logits: logits, decision: decision, score: score, segments: $0)
      }
    }
  }

  private func topK(_ rows: [[Float]], _ k: Int) throws -> RoutingDecision {
    let rule = RouterRule(score: .softmax, renormalises: true)
    return RouterRun.route(
      try TopKRouter(rule: rule, expertCount: rows[0].count, topK: k), rows)
  }

  struct LossCase: Decodable {
    let name: String
    let loss: String
    let experts: Int
    let topK: Int
    let counted: [Int]?
    let logits: [[[Float]]]
    let value: Double
  }

  @Test func lossesAreThoseOfTransformers() throws {
    let cases = try RouterRun.vectors("losses", of: LossCase.self)
    #expect(cases.count == 8)
    for vector in cases {
      let isSequences = vector.loss != "load balancing"
      var sums = try BalanceSums(
        expertCount: vector.experts, segmentCount: isSequences ? vector.logits.count : 1)
      for (outer, all) in vector.logits.enumerated() {
        let rows = all.indices.filter { vector.counted?[$0] != 0 }.map { all[$0] }
        add(
          rows, try topK(rows, vector.topK), to: &sums,
          segments: isSequences ? rows.map { _ in Int32(outer) } : nil)
      }
      let value =
        switch vector.loss {
        case "load balancing": sums.total.auxiliaryLossSummedOverChoices
        case "switch load balancing": sums.segmentLoss
        default: sums.total.zLoss
        }
      #expect(abs(value - vector.value) <= 1e-6 * abs(vector.value), "\(vector.name): \(value)")
    }
  }

  @Test func aBalancedBatchHasLossOne() throws {
    // 12 tokens of equal logits; each expert gets the same by turns.
    let (experts, topK, tokens) = (6, 2, 12)
    let rows = [[Float]](repeating: [Float](repeating: 3, count: experts), count: tokens)
    let decision = RoutingDecision(
      topK: topK, expertIndices: (0..<tokens * topK).map { Int32($0 % experts) },
      routingWeights: [Float](repeating: 0.5, count: tokens * topK))
    // Devices {0,1,2} and {3,4,5}: the pairs (0,1), (2,3), (4,5) are on 1, 2 and 1 of them.
    let total = try sums(rows, decision, devices: 2).total
    #expect(abs(total.auxiliaryLoss - 1) < 1e-12)
    #expect(abs(total.auxiliaryLossSummedOverChoices - 2) < 1e-12)
    #expect(abs(total.deviceLoss - 1) < 1e-12)
    // Each device gets 4 + 4 of 12 tokens: f'' = 2 / (2 * 12) * 8 = 2/3, P'' = 1/2.
    #expect(total.deviceTokens == [8, 8])
    #expect(abs(total.communicationLoss(openDevices: 2) - 2.0 / 3) < 1e-12)
    // logsumexp of six threes is 3 + log 6.
    #expect(abs(total.zLoss - pow(3 + log(6), 2)) < 1e-12)
    #expect(total.loadVariation < 1e-12 && total.importanceVariation < 1e-12)
    #expect(abs(total.loadEntropy - log(6)) < 1e-12)
    #expect(abs(total.normalisedLoadEntropy - 1) < 1e-12 && abs(total.maxOverMean - 1) < 1e-12)
  }

  @Test func aCollapsedBatchHasTheLargestLoss() throws {
    // Every token chooses expert 0 with probability 1.
    let rows = [[Float]](repeating: [.infinity, 0, 0, 0], count: 5)
    let total = try sums(rows, topK(rows, 1), devices: 4).total
    #expect(total.auxiliaryLoss == 4)
    #expect(total.deviceLoss == 4)
    #expect(total.communicationLoss(openDevices: 1) == 4)
    // Counts 5, 0, 0, 0: mean 1.25, variance 75 / 16.
    #expect(abs(total.loadVariation - 3) < 1e-12)
    #expect(abs(total.importanceVariation - 3) < 1e-12)
    #expect(total.loadEntropy == 0 && total.maxOverMean == 4)
  }

  @Test func deviceLossesFollowTheirFormulas() throws {
    let (experts, topKCount, tokens, devices, open) = (10, 3, 40, 4, 3)
    let rows = RouterRun.logits(seed: 41, tokens: tokens, experts: experts)
    let decision = try topK(rows, topKCount)
    let total = try sums(rows, decision, devices: devices).total
    // DeepSeek-V2, eqs. 24-31, spelled out.
    let scores = rows.map { row in
      let terms = row.map { exp(Double($0)) }
      return terms.map { $0 / terms.reduce(0, +) }
    }
    func selects(_ t: Int, _ i: Int) -> Bool { decision.chosen(t).contains(Int32(i)) }
    let f = (0..<experts).map { i in
      Double(experts) / Double(topKCount * tokens)
        * Double((0..<tokens).count { selects($0, i) })
    }
    let p = (0..<experts).map { i in scores.reduce(0) { $0 + $1[i] } / Double(tokens) }
    var (device, communication) = (0.0, 0.0)
    for d in 0..<devices {
      let members = (0..<experts).filter { $0 * devices / experts == d }
      let probability = members.reduce(0) { $0 + p[$1] }
      device += members.reduce(0) { $0 + f[$1] } / Double(members.count) * probability
      let sent = (0..<tokens).count { t in members.contains { selects(t, $0) } }
      communication +=
        Double(devices) / Double(open * tokens) * Double(sent) * probability
    }
    #expect(abs(total.auxiliaryLoss - zip(f, p).reduce(0) { $0 + $1.0 * $1.1 }) < 1e-9)
    #expect(abs(total.deviceLoss - device) < 1e-9)
    #expect(abs(total.communicationLoss(openDevices: open) - communication) < 1e-9)
  }

  @Test(arguments: RouterRule.Score.allCases)
  func probabilitiesOfATokenAddUpToOne(score: RouterRule.Score) throws {
    let rows = RouterRun.logits(seed: 42, tokens: 7, experts: 9)
    let total = try sums(rows, topK(rows, 2), score: score).total
    #expect(abs(total.probabilities.reduce(0, +) - 7) < 1e-9)
    // DeepSeek-V3, eq. 19: s' = s / sum s.
    let first = try sums([rows[0]], topK([rows[0]], 2), score: score).total.probabilities
    let terms = rows[0].map { logit -> Double in
      let x = Double(logit)
      return switch score {
      case .softmax: exp(x)
      case .sigmoid: 1 / (1 + exp(-x))
      case .sqrtSoftplus: log(1 + exp(x)).squareRoot()
      }
    }
    for (probability, term) in zip(first, terms) {
      #expect(abs(probability - term / terms.reduce(0, +)) < 1e-6)
    }
  }

  @Test func mergedPartsAreTheWhole() throws {
    let (tokens, experts) = (30, 8)
    let rows = RouterRun.logits(seed: 43, tokens: tokens, experts: experts)
    let segments = (0..<tokens).map { Int32($0 / 10) }
    let whole = try sums(
      rows, topK(rows, 2), devices: 4, segments: segments, segmentCount: 3)
    // Ranks get tokens 0-6, 7-22, none and 23-29: sequences are cut.
    var merged = try BalanceSums(expertCount: experts, deviceCount: 4, segmentCount: 3)
    for part in [0..<7, 7..<23, 23..<23, 23..<30] where !part.isEmpty {
      let cut = Array(rows[part])
      merged.add(
        try sums(
          cut, topK(cut, 2), devices: 4, segments: Array(segments[part]), segmentCount: 3))
    }
    for (a, b) in zip(merged.values, whole.values) { #expect(abs(a - b) < 1e-9) }
    #expect(abs(merged.segmentLoss - whole.segmentLoss) < 1e-12)
    #expect(abs(merged.globalLoss - whole.globalLoss) < 1e-12)
    var copy = whole
    copy.clear()
    #expect(copy.values.allSatisfy { $0 == 0 } && copy.globalLoss == 0 && copy.segmentLoss == 0)
    #expect(copy.total.zLoss == 0 && copy.total.communicationLoss(openDevices: 2) == 0)
    copy.replace(whole.values)
    #expect(copy == whole)
  }

  @Test func specialisedMicroBatchesAreBalancedOnlyGlobally() throws {
    // Micro-batch s wants expert s alone: each is collapsed, together they are balanced.
    let rows = (0..<4).flatMap { segment in
      [[Float]](repeating: (0..<4).map { $0 == segment ? 50 : 0 }, count: 6)
    }
    let sums = try sums(
      rows, topK(rows, 1), segments: (0..<24).map { Int32($0 / 6) }, segmentCount: 4)
    #expect(abs(sums.segmentLoss - 4) < 1e-9)
    #expect(abs(sums.globalLoss - 1) < 1e-9)
  }

  @Test func emptySegmentsDoNotCount() throws {
    let rows: [[Float]] = [[9, 0], [9, 0]]
    let one = try sums(rows, topK(rows, 1), segments: [0, 0])
    let three = try sums(rows, topK(rows, 1), segments: [1, 1], segmentCount: 3)
    #expect(one.segmentLoss == three.segmentLoss && one.segmentLoss > 1.9)
  }

  @Test func anythingThatIsNotANumberStaysHarmless() throws {
    let rows: [[Float]] = [
      [.nan, .nan], [-.infinity, -.infinity], [.nan, 0], [.infinity, .infinity], [1, 1],
    ]
    for score in RouterRule.Score.allCases {
      let total = try sums(rows, topK(rows, 1), score: score).total
      #expect(total.tokenCount == 5)
      #expect(total.probabilities.allSatisfy { $0.isFinite && $0 >= 0 }, "\(score)")
      #expect(total.auxiliaryLoss.isFinite)
      // Plus infinity is a logit of infinite size, and the z-loss says so.
      #expect(total.zLoss == .infinity)
    }
    let dropped = RoutingDecision(tokenCount: 1, topK: 2)
    let total = try sums([[1, 2]], dropped).total
    #expect(total.counts == [0, 0] && total.auxiliaryLoss == 0 && total.maxOverMean == 0)
    #expect(total.loadEntropy == 0 && total.deviceTokens == [0])
  }

  @Test func sizesThatDoNotFitAreRefused() {
    for (experts, devices, segments) in [
      (0, 1, 1), (4, 0, 1), (4, 5, 1), (4, 1, 0), (4, 1, Int.max), (Int.max, 1, 1), (-1, 1, 1),
    ] {
      #expect(throws: InputError.self) {
        try BalanceSums(expertCount: experts, deviceCount: devices, segmentCount: segments)
      }
    }
  }
}
