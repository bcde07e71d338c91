// SPDX-License-Identifier: Apache-2.0
// epsim: tests of what all generators have in common.

import MoE
import Testing
import Workloads

@Suite struct GeneratorPropertyTests {
  /// Every generator, with defaults and at the ends of its parameters.
  static let specs: [String] =
    WorkloadSpec.catalogue.filter { !$0.takesFile }.flatMap { entry in
      [entry.name]
        + entry.parameters.flatMap { parameter in
          // Thousands of domains would take long to make, and are no different.
          let values = [
            parameter.extremes[0], parameter.name == "count" ? "64" : parameter.extremes[1],
          ]
          return values.map { "\(entry.name):\(parameter.name)=\($0)" }
        }
    } + ["load:x.csv"]

  private func load(experts: Int, layers: Int) throws -> LoadHistogram {
    let rows = (0..<layers).map { layer in (0..<experts).map { 1 + (layer + 3) * $0 % 11 } }
    return try LoadHistogram(bytes: Array(IntegerCSV.text(rows: rows).utf8), name: "f")
  }

  private func source(_ spec: String, _ experts: Int, _ topK: Int, tokens: Int = 64) throws
    -> any RoutingSource
  {
    try generator(
      spec, experts: experts, topK: topK, tokens: tokens,
      load: try load(experts: experts, layers: 4))
  }

  @Test(arguments: specs, [(64, 6), (8, 8), (1, 1), (7, 3), (256, 8), (5, 1)])
  func tokensGetDistinctExpertsAndWeightsThatSumToOne(spec: String, shape: (Int, Int)) throws {
    let (experts, topK) = shape
    let source = try source(spec, experts, topK)
    for step in [0, 3, 7, 1 << 30] {
      let decision = route(
        source, layer: 3, step: step, positions: (0..<64).map { Int32($0) })
      for row in 0..<64 {
        let range = row * topK..<(row + 1) * topK
        let chosen = decision.expertIndices[range]
        let weights = decision.routingWeights[range]
        if Set(chosen).count != topK || !chosen.allSatisfy({ $0 >= 0 && $0 < experts })
          || !weights.allSatisfy({ $0 > 0 }) || abs(weights.reduce(0, +) - 1) > 1e-5
        {
          Issue.record("step \(step), position \(row): \(chosen), \(weights)")
          return
        }
      }
    }
  }

  @Test(arguments: specs)
  func anySplitOfThePositionsGivesTheSameRows(spec: String) throws {
    let source = try source(spec, 32, 4, tokens: 61)
    let topK = source.topK
    let whole = route(source, layer: 2, step: 3, positions: (0..<61).map { $0 })
    for assignment in [TokenAssignment.block, .roundRobin, .ragged] {
      let rankOfPosition = try assignment.ranks(tokenCount: 61, rankCount: 5)
      for rank in 0..<5 {
        let positions = (0..<61).filter { rankOfPosition[$0] == rank }.map { Int32($0) }
        let part = route(source, layer: 2, step: 3, positions: positions.reversed())
        for (row, position) in positions.reversed().enumerated() {
          let target = Int(position) * topK..<(Int(position) + 1) * topK
          let own = row * topK..<(row + 1) * topK
          #expect(part.expertIndices[own] == whole.expertIndices[target])
          #expect(part.routingWeights[own] == whole.routingWeights[target])
        }
      }
    }
  }

  @Test(arguments: WorkloadSpec.catalogue.map { $0.takesFile ? "\($0.name):x.csv" : $0.name })
  func stepsLayersAndSeedsDifferEvenForAFewTokens(spec: String) throws {
    // Two tokens of a decode step; over ten steps hardly any law repeats itself.
    for tokens in [1, 2, 128] {
      let one = try source(spec, 64, 2, tokens: tokens)
      let positions = (0..<Int32(tokens)).map { $0 }
      func history(_ source: any RoutingSource, layer: Int) -> [[Int32]] {
        (0..<10).map { step in
          route(source, layer: layer, step: step, positions: positions).expertIndices
        }
      }
      let base = history(one, layer: 1)
      #expect(history(one, layer: 1) == base)
      #expect(Set(base).count >= 8)
      #expect(history(one, layer: 2) != base)
      let other = try generator(
        spec, experts: 64, topK: 2, tokens: tokens, seed: 2, load: try load(experts: 64, layers: 4))
      #expect(history(other, layer: 1) != base)
    }
  }

  @Test func layersOutsideOfTheModelAreNotRouted() throws {
    for spec in Self.specs {
      let source = try source(spec, 8, 2)
      #expect(source.hasLayer(0) && source.hasLayer(3) && !source.hasLayer(-1))
      #expect(source.expertCount == 8 && source.topK == 2 && !source.name.isEmpty)
    }
  }
}
