// SPDX-License-Identifier: Apache-2.0
// epsim: tests of what is counted about traces, against slow counting and closed forms.

import Foundation
import MoE
import Testing
import Workloads

@Suite struct TraceStatisticsTests {
  private func generated(
    _ workload: String, experts: Int = 16, topK: Int = 4, layers: Int = 2, tokens: Int,
    seed: UInt64 = 1
  ) throws -> GeneratedTrace {
    let generator = try #require(
      try WorkloadSpec(parsing: workload).generator(
        expertCount: experts, topK: topK, layerCount: layers + 1, seed: seed,
        tokensPerStep: tokens))
    return try GeneratedTrace(
      generator, origin: .init(model: "m", domain: "", source: "", license: ""),
      layers: Array(1..<1 + layers), tokenCount: tokens)
  }

  @Test func loadsAreThoseOfTheHistogram() throws {
    let trace = try RoutingTrace(contentsOfFile: Fixtures.lawTrace)
    let statistics = try TraceStatistics(TraceFile(path: Fixtures.lawTrace), windowCount: 7)
    let histogram = LoadHistogram(trace: trace, tokens: 0..<trace.tokenCount)
    for layer in 0..<trace.layerCount {
      #expect(statistics.load.total(layer: layer) == Array(histogram.row(layer)))
    }
    #expect((0..<7).reduce(0) { $0 + statistics.load.tokens(inWindow: $1) } == trace.tokenCount)
    // A part is the tokens t with floor(7 t / T) = 3, contiguous.
    let part = (0..<trace.tokenCount).filter { $0 * 7 / trace.tokenCount == 3 }
    let slow = LoadHistogram(trace: trace, tokens: part.first!..<part.last! + 1)
    #expect(statistics.load.tokens(inWindow: 3) == part.count)
    #expect(Array(statistics.load.row(window: 3, layer: 5)) == Array(slow.row(5)))
    // The README of the trace gives 1.95 ... 6.87 and a mean weight sum of 0.39.
    let unequal = (0..<26).map { statistics.maxOverMean(layer: $0) }
    #expect(abs(unequal.min()! - 1.95) < 0.005 && abs(unequal.max()! - 6.87) < 0.005)
    #expect(statistics.mostUnequalLayer == 23)
    #expect(abs(statistics.meanWeightSums.reduce(0, +) / 26 - 0.39) < 0.005)
    #expect(statistics.sequenceCount == 33)
  }

  @Test func distinctRanksAreCounted() throws {
    let source = try generated("zipf:1.0", experts: 10, topK: 3, tokens: 500)
    let trace = try source.window(0..<500)
    let statistics = try TraceStatistics(source, windowCount: 1)
    #expect(statistics.fanOut.rankCounts == [2, 4, 8])
    for ranks in [2, 4, 8] {
      for layer in 0..<2 {
        let sum = (0..<500).reduce(0) { sum, token in
          let ids = trace.expertIndices[(token * 2 + layer) * 3..<(token * 2 + layer + 1) * 3]
          return sum + Set(ids.map { Int($0) * ranks / 10 }).count
        }
        #expect(statistics.fanOut.mean(rankCount: ranks, layer: layer) == Double(sum) / 500)
      }
    }
  }

  @Test func uniformFanOutIsTheClosedForm() throws {
    func uniform(_ experts: Int, _ topK: Int, _ ranks: Int) -> Double {
      ContiguousFanOut.uniform(expertCount: experts, topK: topK, rankCount: ranks)
    }
    #expect(abs(uniform(256, 8, 8) - 5.2947) < 5e-5)
    #expect(abs(uniform(256, 8, 64) - 7.6758) < 5e-5)
    #expect(uniform(8, 8, 8) == 8 && uniform(8, 1, 4) == 1)
    // Unequal ranks: the three sets of two of three experts visit 1, 2 and 2 of two ranks.
    #expect(abs(uniform(3, 2, 2) - 5.0 / 3) < 1e-12)
    let source = try generated("uniform", experts: 256, topK: 8, layers: 1, tokens: 20_000)
    let statistics = try TraceStatistics(source, windowCount: 1)
    for ranks in [2, 4, 8, 16, 32, 64] {
      let mean = statistics.fanOut.mean(rankCount: ranks)
      #expect(abs(mean / uniform(256, 8, ranks) - 1) < 0.01, "\(ranks) ranks: \(mean)")
    }
  }

  @Test func pairsAreCounted() throws {
    let source = try generated("zipf:0.5", experts: 12, topK: 3, tokens: 600)
    let trace = try source.window(0..<600)
    let pairs = try TraceStatistics.coActivation(of: source, layer: 1)
    let sets = (0..<600).map { token in
      Set(trace.expertIndices[(token * 2 + 1) * 3..<(token * 2 + 2) * 3].map { Int($0) })
    }
    for a in 0..<12 {
      #expect(pairs.load(a) == sets.count { $0.contains(a) })
      for b in 0..<12 where a != b {
        #expect(pairs.tokens(a, b) == sets.count { $0.contains(a) && $0.contains(b) })
      }
    }
    let listed = pairs.pairs()
    #expect(zip(listed, listed.dropFirst()).allSatisfy { $0.lift >= $1.lift })
    for pair in listed {
      let expected =
        Double(pairs.load(pair.first) * pairs.load(pair.second)) / 600 * (2.0 / 3) / (11.0 / 12)
      #expect(expected >= 5)
      #expect(abs(pair.lift - Double(pairs.tokens(pair.first, pair.second)) / expected) < 1e-12)
    }
  }

  @Test func liftTellsStructureFromChance() throws {
    let uniform = try generated("uniform", layers: 1, tokens: 20_000)
    let lifts = try TraceStatistics.coActivation(of: uniform, layer: 0).pairs().map(\.lift)
    #expect(lifts.count == 16 * 15 / 2)
    // About 1 050 tokens per pair: 3 % of deviation.
    #expect(lifts.allSatisfy { abs($0 - 1) < 0.16 })
    #expect(abs(lifts.reduce(0, +) / 120 - 1) < 0.005)
    // Experts 2i and 2i + 1 always together: half of the tokens' pairs are these.
    let ids = (0..<400).flatMap { token in [0, 1].map { Int32(2 * (token % 4) + $0) } }
    let paired = try Fixtures.smallTrace(experts: 8, layers: 1, lengths: nil, ids: ids)
    let pairs = try TraceStatistics.coActivation(of: paired, layer: 0).pairs()
    #expect(pairs.prefix(4).map(\.first) == [0, 2, 4, 6])
    // 100 tokens chose both; 100 x 100 / 400 x (1/2) / (7/8) were expected.
    #expect(abs(pairs[0].lift - 100 / (25 * 0.5 / 0.875)) < 1e-12)
    #expect(pairs[4].lift == 0)
  }

  @Test func aLayerOfOneExpertPerTokenHasNoPairs() throws {
    let source = try generated("uniform", topK: 1, layers: 1, tokens: 100)
    #expect(try TraceStatistics.coActivation(of: source, layer: 0).pairs().isEmpty)
  }

  @Test(arguments: ["uniform", "zipf:1.2"])
  func independentPartsDifferByTheNoiseOnly(workload: String) throws {
    for (tokens, layers) in [(800, 40), (40, 40)] {
      let source = try generated(workload, experts: 32, layers: layers, tokens: tokens)
      let load = try TraceStatistics(source, windowCount: 4).load
      for window in 1..<4 {
        let distance = load.distance(window - 1, window)
        // Parts of 10 tokens are far from the normal law.
        let tolerance = tokens == 800 ? 0.05 : 0.08
        #expect(
          abs(distance.measured / distance.noise - 1) < tolerance,
          "\(tokens) tokens: \(distance.measured) against \(distance.noise)")
      }
    }
  }

  @Test func driftIsTheTotalVariationDistance() throws {
    // Experts 0, 1 in the first part; 0, 2 in the second; 2, 3 in the third.
    let ids = [[0, 1], [0, 2], [2, 3]].flatMap { Array(repeating: $0, count: 10).flatMap { $0 } }
    let trace = try Fixtures.smallTrace(
      layers: 1, lengths: nil, ids: ids.map { Int32($0) })
    let load = try TraceStatistics(trace, windowCount: 3).load
    #expect(abs(load.distance(0, 1).measured - 0.5) < 1e-12)
    #expect(abs(load.distance(0, 2).measured - 1) < 1e-12)
    #expect(load.distance(1, 1).measured == 0)
  }

  @Test func impossibleCountsAreRefused() throws {
    let trace = try Fixtures.smallTrace()
    expectInputError("4 windows of 3 tokens", "1 to 3") {
      _ = try TraceStatistics(trace, windowCount: 4)
    }
    let wide = try Fixtures.smallTrace(experts: 65_536)
    expectInputError("65536 experts", "4096") {
      _ = try TraceStatistics.coActivation(of: wide, layer: 0)
    }
  }
}
