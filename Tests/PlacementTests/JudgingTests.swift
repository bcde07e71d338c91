// SPDX-License-Identifier: Apache-2.0
// epsim: tests of scores, times, their bounds, drift and Pareto fronts.

import CostModel
import MoE
import Placement
import Testing
import Workloads

@Suite struct JudgingTests {
  private let topology = Topology(ranks: 8, nodes: 2)

  private func prices(
    _ dedup: Dedup, combine: CombineRule = .exact, bandwidth: Double = 1e9, flops: Double = 1e12,
    hops: ExchangeHops = .summed, speeds: [Double] = Array(repeating: 1, count: 8)
  ) -> LayerPrices {
    LayerPrices(
      network: NetworkParameters(
        fixed: .microseconds(5),
        inside: LinkParameters(latency: .microseconds(1), bandwidth: .gigabytes(6)),
        between: LinkParameters(latency: .microseconds(10), bandwidth: BytesPerSecond(bandwidth)),
        ranksPerPort: 4),
      ranks: speeds.map { speed in
        RankParameters(
          efficiencies: [
            .init(rows: 1, rate: FlopsPerSecond(0.1 * flops)),
            .init(rows: 64, rate: FlopsPerSecond(0.6 * flops)),
          ], memory: .gigabytes(50), fixed: .microseconds(3), perExpert: .microseconds(1),
          copies: .gigabytes(20), perAssignment: Seconds(1e-8), speed: speed)
      },
      widths: ExpertWidths(hiddenSize: 256, ffnSize: 128), dedup: dedup, combine: combine,
      hops: hops, dispatchBytes: Bytes(512), combineBytes: Bytes(1024))
  }

  private func bundles(
    _ source: any RoutingSource, layer: Int, _ ranks: [Int32]
  ) -> RoutingBundles {
    RoutingBundles(source: source, layer: layer, steps: 0..<1, rankCount: 8) { _ in ranks }
  }

  private func step(_ tokens: Int) throws -> (any RoutingSource, [Int32]) {
    let trace = try Fixtures.trace("law")
    return (
      TraceWorkload(trace: trace, tokens: 1000..<1000 + tokens, windowSize: tokens),
      (0..<tokens).map { Int32($0 * 8 / tokens) }
    )
  }

  private func place(
    _ text: String, _ load: LoadHistogram
  ) throws -> ExpertPlacement {
    try PlacementSpec(parsing: text).place(
      load: load, topology: topology, groups: 1, modelLayers: [])
  }

  /// Without dedup and with experts that all have the same rows, the search's cost says the same.
  @Test func layerTimeIsThatOfTheSearchWithoutDedup() throws {
    // Every rank has 4 tokens for each of 16 experts in turn.
    let tokens = (0..<8).flatMap { rank in
      (0..<16).map { (source: rank, experts: [Int32($0)]) }
    }
    let bundles = RoutingBundles(rankCount: 8, expertCount: 16, tokens: tokens)
    let placement = try place("random:3", LoadHistogram(layers: [0], rows: [bundles.load]))
    var counters = TrafficCounters(placement: placement, topology: topology)
    let slots = placement.logicalToPhysical(layerRow: 0).slots
    for rank in 0..<8 {
      slots.withUnsafeBufferPointer {
        counters.add(layerRow: 0, sourceRank: rank, slots: $0, topK: 1)
      }
    }
    let prices = prices(.none)
    var layer = PricedLayer(prices, topology: topology)
    let cost = SourceCountCost(
      SourceCounts(rankCount: 8, slotCount: 16, values: bundles.sourceCounts.map(Double.init)),
      rankOfSlot: slots.map { placement.rank(ofSlot: Int($0)) },
      model: LayerModel(
        prices.network, topology: topology, ranks: prices.ranks, widths: prices.widths,
        dispatchBytes: prices.dispatchBytes, combineBytes: prices.combineBytes))
    let own = layer.time(counters, layerRow: 0)
    #expect(abs(own / cost.time - 1) < 1e-12)
    #expect(own.value > 0)
  }

  @Test(
    arguments: [Dedup.none, .rank, .node],
    [(1e8, 1e12), (1e10, 1e10), (1e10, 1e15)])
  func noPlacementBeatsTheBounds(dedup: Dedup, machine: (Double, Double)) throws {
    let (source, ranks) = try step(240)
    let layers = [1, 26]
    let load = LoadHistogram(source: source, layers: layers, steps: 0..<1, windowSize: 240)
    let tokens = layers.map { bundles(source, layer: $0, ranks) }
    let cases = try ["contiguous", "lpt", "random:4", "eplb", "eplb+8", "eplb+40"].map { text in
      let placement = try place(text, load)
      let counters = [ReplicaChoice.expertRoundRobin, .nearest].map { choice in
        WorkloadTraffic(
          source: source, placement: placement, topology: topology, choice: choice
        ).counters(step: 0, rankOfPosition: ranks)
      }
      return (placement: placement, counters: counters)
    }
    for combine in CombineRule.allCases {
      for speeds in [Array(repeating: 1.0, count: 8), [1, 0.5, 1, 1, 1, 1, 0.25, 1]] {
        let prices = prices(
          dedup, combine: combine, bandwidth: machine.0, flops: machine.1, speeds: speeds)
        var bounds: [[Int]: StepBound] = [:]
        for (placement, counters) in cases {
          let slots = (0..<8).map { placement.slots(ofRank: $0).count }
          let bound =
            bounds[slots]
            ?? StepBound(steps: [tokens], slotsPerRank: slots, topology: topology, prices: prices)
          bounds[slots] = bound
          for step in counters {
            var scorer = PlacementScorer(prices: prices, topology: topology)
            scorer.add(step)
            let score = try #require(scorer.score)
            let time = try #require(score.stepSeconds)
            let limit = try #require(bound.stepSeconds)
            #expect(limit > 0 && limit <= time * (1 + 1e-9), "\(placement.name)")
            #expect(bound.loadMaxOverMean <= score.load.maxOverMean + 1e-9, "\(placement.name)")
          }
        }
      }
    }
  }

  @Test func offNodeBoundHoldsAndIsReachedWhereTokensAgree() throws {
    let (source, ranks) = try step(800)
    let bundles = bundles(source, layer: 5, ranks)
    let slots = Array(repeating: 8, count: 8)
    let bound = OffNodeBound([bundles], slotsPerRank: slots, topology: topology)
    let load = LoadHistogram(layers: [5], rows: [bundles.load])
    for text in ["contiguous", "round-robin", "lpt", "random:9"] {
      let traffic = WorkloadTraffic(
        source: source, placement: try place(text, load), topology: topology,
        choice: .expertRoundRobin
      ).counters(step: 0, rankOfPosition: ranks).total
      #expect(bound.raw <= Double(traffic.offNodeRaw))
      #expect(bound.nodeDedup <= Double(traffic.offNodeNodeDedup))
    }
    #expect(bound.raw > 0 && bound.nodeDedup > 0)
    // With room for all experts on every node nothing must leave.
    let roomy = Array(repeating: 16, count: 8)
    let all = OffNodeBound([bundles], slotsPerRank: roomy, topology: topology)
    #expect(all.raw == 0 && all.nodeDedup == 0)
    #expect(
      !OffNodeBound.mustSend([bundles], slotsPerRank: roomy, topology: topology).contains(true))
    // Two nodes, 4 experts, two slots each: tokens {0,1} of node 0 stay; of 3 tokens {0,2} of rank 0
    // only those stay whose pair the node holds: {0,1} is more.
    let few = RoutingBundles(
      rankCount: 2, expertCount: 4,
      tokens: Array(repeating: (source: 0, experts: [0, 1]), count: 5)
        + Array(repeating: (source: 0, experts: [0, 2]), count: 3))
    let small = OffNodeBound([few], slotsPerRank: [2, 2], topology: Topology(ranks: 2, nodes: 2))
    #expect(abs(small.nodeDedup - 3) < 1e-6 && abs(small.raw - 3) < 1e-6)
    #expect(
      OffNodeBound.mustSend(
        [few], slotsPerRank: [2, 2], topology: Topology(ranks: 2, nodes: 2)) == [true, false])
  }

  /// A placement cannot suit windows that disagree: node 0 wants expert 0, then expert 1.
  @Test func offNodeBoundIsOfOnePlacementForAllWindows() {
    let windows = [0, 1].map { expert in
      RoutingBundles(
        rankCount: 2, expertCount: 2,
        tokens: Array(repeating: (source: 0, experts: [Int32(expert)]), count: 10))
    }
    let topology = Topology(ranks: 2, nodes: 2)
    for window in windows {
      #expect(OffNodeBound([window], slotsPerRank: [1, 1], topology: topology).raw == 0)
    }
    let both = OffNodeBound(windows, slotsPerRank: [1, 1], topology: topology)
    #expect(abs(both.raw - 10) < 1e-6 && abs(both.nodeDedup - 10) < 1e-6)
    // Tokens of both nodes want the same expert: one node's must travel, and the lighter are those
    // of node 1 by their weight.
    let shared = RoutingBundles(
      rankCount: 2, expertCount: 2, tokens: [(source: 0, experts: [0]), (source: 1, experts: [0])])
    let weighted = OffNodeBound(
      [shared], slotsPerRank: [1, 1], topology: topology, weights: [3, 2])
    #expect(abs(weighted.raw - 2) < 1e-6)
  }

  /// Brute force over all pairs of sets of experts that two nodes may hold.
  @Test func offNodeBoundIsNoMoreThanTheBestSets() {
    var random = RandomDraws(key: 31, number: 0)
    let experts = 6
    let sets = Array(0..<1 << experts)
    var (bounds, best) = (0.0, 0.0)
    for trial in 0..<60 {
      let k = 1 + trial % 3
      let tokens = (0..<30).map { index in
        (
          source: index % 2,
          experts: Array((0..<Int32(experts)).shuffled(using: &random).prefix(k))
        )
      }
      let windows = [tokens[..<15], tokens[15...]].map {
        RoutingBundles(rankCount: 2, expertCount: experts, tokens: Array($0))
      }
      let room = [3 + trial % 2, 3 + trial / 2 % 3]
      let weights = [1.0, trial % 3 == 0 ? 2 : 1]
      let bound = OffNodeBound(
        windows, slotsPerRank: room, topology: Topology(ranks: 2, nodes: 2), weights: weights)
      // [N, sets] what leaves a node that holds a set: assignments, and tokens.
      let leaving = (0..<2).map { node in
        sets.map { set -> (raw: Double, dedup: Double) in
          let away = tokens.filter { $0.source == node }
            .map { $0.experts.count { set >> Int($0) & 1 == 0 } }
          return (
            weights[node] * Double(away.reduce(0, +)), weights[node] * Double(away.count { $0 > 0 })
          )
        }
      }
      var (raw, dedup) = (Double.infinity, Double.infinity)
      for first in sets where first.nonzeroBitCount == room[0] {
        for second in sets where second.nonzeroBitCount == room[1] && first | second == sets.last {
          raw = min(raw, leaving[0][first].raw + leaving[1][second].raw)
          dedup = min(dedup, leaving[0][first].dedup + leaving[1][second].dedup)
        }
      }
      #expect(bound.raw <= raw && bound.nodeDedup <= dedup)
      bounds += bound.raw
      best += raw
    }
    // Only the split of the slots between the nodes is open to the bound.
    #expect(bounds >= 0.9 * best, "\(bounds) of \(best)")
  }

  @Test func frontOfBalanceAgainstTraffic() {
    // {01|23}: largest load 20, sum of lambda 12; {02|13} and {03|12}: 12 and 24.
    let front = ParetoFront([(20, 12), (12, 24), (12, 24)])
    #expect(front.indices == [1, 0])
    #expect(ParetoFront([(1, 1), (2, 2), (1, 0), (0, 3), (.nan, 0)]).indices == [3, 2])
    #expect(ParetoFront([]).indices.isEmpty)
  }

  @Test func driftComparesEveryFitWithTheFitOfTheDay() throws {
    func given(_ row: [Int32]) throws -> ExpertPlacement {
      try ExpertPlacement(
        name: "given", layers: [0], expertCount: 4, slotOffsets: [0, 2, 4],
        physicalToLogical: [row])
    }
    let fits = try [[0, 1, 2, 3], [0, 2, 1, 3], [0, 2, 3, 1], [0, 3, 1, 2]].map {
      try given($0)
    }
    // A fit costs 10 on its own window and a tenth of that more for every window of age.
    let drift = PlacementDrift(fits: fits) { placement, window in
      10 + Double(window - fits.firstIndex(of: placement)!)
    }
    #expect(drift.lags.map(\.windows) == [1, 2])
    #expect(drift.lags.map(\.score) == [11, 12])
    #expect(drift.lags.map(\.overOwnFit) == [1.1, 1.2])
    // 2, 0 and 2 slots move.
    #expect(abs(drift.movedSlots - 4.0 / 3) < 1e-12)
    #expect(abs(drift.movedShare - 1.0 / 3) < 1e-12)
    #expect(abs(drift.similarity - (2.0 / 6 + 1 + 2.0 / 6) / 3) < 1e-12)
  }
}
