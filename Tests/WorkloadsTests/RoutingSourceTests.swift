// SPDX-License-Identifier: Apache-2.0
// epsim: tests of traces and generators as sources of routing.

import MoE
import Testing
import Workloads

@Suite struct RoutingSourceTests {
  @Test func aTraceWindowAdvancesAndWrapsAtTheJudgedTokens() throws {
    let trace = try Fixtures.smallTrace(weights: (0..<12).map { Float($0) })
    let workload = TraceWorkload(trace: trace, tokens: 1..<3, windowSize: 3)
    // Step 0 has tokens 1, 2, 1; step 1 has 2, 1, 2.
    #expect((0..<3).map { workload.token(step: 0, position: $0) } == [1, 2, 1])
    #expect((0..<3).map { workload.token(step: 1, position: $0) } == [2, 1, 2])
    #expect((0..<3).map { workload.sequence(step: 0, position: $0) } == [0, 1, 0])
    #expect(!workload.hasLayer(0) && workload.hasLayer(1) && workload.hasLayer(2))
    #expect(!workload.hasLayer(3))
    let decision = route(workload, layer: 2, step: 0, positions: [1, 0])
    // Ids and weights of token 2 and token 1 in the second layer.
    #expect(decision.expertIndices == [3, 1, 1, 2])
    #expect(decision.routingWeights == [10, 11, 6, 7])
  }

  static let generators: [any RoutingSource] = [
    UniformWorkload(expertCount: 64, topK: 6, seed: 1),
    UniformWorkload(expertCount: 8, topK: 8, seed: 2),
    UniformWorkload(expertCount: 1, topK: 1, seed: 2),
    ZipfWorkload(exponent: 1.1, expertCount: 256, topK: 8, layerCount: 4, seed: 1),
    ZipfWorkload(exponent: 10, expertCount: 256, topK: 8, layerCount: 4, seed: 1),
    ZipfWorkload(exponent: 0, expertCount: 5, topK: 5, layerCount: 4, seed: 1),
  ]

  @Test(arguments: generators.indices)
  func everyTokenGetsDistinctExpertsAndWeightsThatSumToOne(index: Int) {
    let source = Self.generators[index]
    let decision = route(source, layer: 3, step: 5, positions: (0..<500).map { $0 })
    for row in 0..<500 {
      let range = row * source.topK..<(row + 1) * source.topK
      let experts = decision.expertIndices[range]
      #expect(Set(experts).count == source.topK)
      #expect(experts.allSatisfy { $0 >= 0 && $0 < source.expertCount })
      let weights = decision.routingWeights[range]
      #expect(weights.allSatisfy { $0 > 0 })
      #expect(abs(weights.reduce(0, +) - 1) < 1e-5)
    }
  }

  @Test(arguments: generators.indices)
  func routingDependsOnThePositionOnlyNotOnTheBatch(index: Int) {
    let source = Self.generators[index]
    let topK = source.topK
    let whole = route(source, layer: 2, step: 1, positions: (0..<64).map { $0 })
    for rank in 0..<3 {
      let positions = stride(from: Int32(rank), to: 64, by: 3).map { $0 }
      let part = route(source, layer: 2, step: 1, positions: positions)
      for (row, position) in positions.enumerated() {
        let target = Int(position) * topK..<(Int(position) + 1) * topK
        #expect(
          part.expertIndices[row * topK..<(row + 1) * topK] == whole.expertIndices[target])
        #expect(
          part.routingWeights[row * topK..<(row + 1) * topK] == whole.routingWeights[target])
      }
    }
  }

  @Test func stepsLayersAndSeedsDiffer() {
    let positions = (0..<32).map { Int32($0) }
    let one = UniformWorkload(expertCount: 64, topK: 6, seed: 1)
    let base = route(one, layer: 1, step: 0, positions: positions)
    #expect(route(one, layer: 1, step: 0, positions: positions) == base)
    #expect(route(one, layer: 1, step: 1, positions: positions) != base)
    #expect(route(one, layer: 0, step: 1, positions: positions) != base)
    let other = UniformWorkload(expertCount: 64, topK: 6, seed: 2)
    #expect(route(other, layer: 1, step: 0, positions: positions) != base)
  }

  @Test func uniformChoicesAreUniform() {
    // 20000 tokens x 2 of 8: 5000 per expert, standard deviation sqrt(20000 / 4 * 3 / 4) = 61.
    let source = UniformWorkload(expertCount: 8, topK: 2, seed: 3)
    let load = LoadHistogram(source: source, layers: [0], steps: 0..<1, windowSize: 20_000)
    #expect(load.counts.reduce(0, +) == 40_000)
    #expect(load.counts.allSatisfy { abs($0 - 5000) < 5 * 61 })
  }

  @Test func zipfFirstChoicesFollowTheLaw() {
    // Weights 1, 1/2, 1/3, 1/4 of 25/12: shares 0.48, 0.24, 0.16, 0.12 of 40000 first choices.
    let source = ZipfWorkload(exponent: 1, expertCount: 4, topK: 1, layerCount: 1, seed: 3)
    let load = LoadHistogram(source: source, layers: [0], steps: 0..<4, windowSize: 10_000)
    for (count, share) in zip(load.counts.sorted(by: >), [0.48, 0.24, 0.16, 0.12]) {
      let deviation = (40_000 * share * (1 - share)).squareRoot()
      #expect(abs(Double(count) - 40_000 * share) < 5 * deviation)
    }
  }

  @Test func zipfSecondChoicesFollowTheLawOfTheRestEvenWhenRejectionGivesUp() {
    // s = 10: nearly every token takes the first rank, then the second, and the third with
    // probability (1/3^10) / (1/2^10 + 1/3^10 + ...) of the rest: 0.0170 for ranks 2, 3, 4.
    let source = ZipfWorkload(exponent: 10, expertCount: 4, topK: 2, layerCount: 1, seed: 9)
    let load = LoadHistogram(source: source, layers: [0], steps: 0..<1, windowSize: 100_000)
    let sorted = load.counts.sorted(by: >)
    #expect(sorted[0] > 99_000)
    let second = 1 / 1024.0
    let rest = second + 1 / 59049.0 + 1 / 1_048_576.0
    #expect(abs(Double(sorted[2]) / 100_000 - (1 / 59049.0) / rest) < 0.003)
    #expect(abs(Double(sorted[3]) / 100_000 - (1 / 1_048_576.0) / rest) < 0.0006)
  }

  @Test func zipfPopularityOrderDiffersBetweenLayersAndStaysOverSteps() {
    let source = ZipfWorkload(exponent: 1.5, expertCount: 32, topK: 2, layerCount: 3, seed: 1)
    func hottest(layer: Int, steps: Range<Int>) -> Int {
      let load = LoadHistogram(source: source, layers: [layer], steps: steps, windowSize: 2000)
      return load.counts.firstIndex(of: load.counts.max()!)!
    }
    #expect(hottest(layer: 0, steps: 0..<1) == hottest(layer: 0, steps: 1..<2))
    #expect(Set((0..<3).map { hottest(layer: $0, steps: 0..<1) }).count > 1)
    #expect(source.hasLayer(2) && !source.hasLayer(3) && !source.hasLayer(-1))
  }
}
