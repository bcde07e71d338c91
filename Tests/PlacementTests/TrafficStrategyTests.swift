// SPDX-License-Identifier: Apache-2.0
// epsim: exact cases and properties of strategies that look at traffic and time.

import CostModel
import MoE
import Placement
import Testing
import Workloads

@Suite struct TrafficStrategyTests {
  private let nodes = Topology(ranks: 4, nodes: 2)
  private static let names = ["source", "coactivation", "hypergraph", "search:5", "auto:5"]

  private func place(_ name: String, _ problem: PlacementProblem) throws -> ExpertPlacement {
    try PlacementSpec(parsing: name).place(problem, modelLayers: problem.load.layers)
  }

  /// Tokens of 8 experts from 4 ranks, K = 2; (source, experts).
  private let tokens: RoutingBundles = {
    let tokens: [(source: Int, experts: [Int32])] = [
      (0, [0, 1]), (0, [0, 4]), (1, [2, 3]), (1, [4, 5]), (2, [4, 6]), (2, [0, 1]), (3, [6, 7]),
      (3, [2, 7]),
    ]
    return RoutingBundles(rankCount: 4, expertCount: 8, tokens: tokens)
  }()

  /// Copies between nodes, between ranks, and the largest load of a rank.
  private func key(_ experts: [Int32], _ topology: Topology, _ tokens: RoutingBundles) -> [Int] {
    let cost = BundleCost(
      tokens, expertOfSlot: experts, rankOfSlot: experts.indices.map { $0 / 2 },
      topology: topology, prices: layerPrices(.node, ranks: 4))
    let loads = (0..<4).map { cost.rowsPerSlot[2 * $0] + cost.rowsPerSlot[2 * $0 + 1] }
    return [cost.offNodeCopies, cost.offRankCopies, loads.max()!]
  }

  @Test func theFewestCopiesBetweenNodesAreFound() throws {
    // All ways to put 8 experts onto 4 ranks of 2: each rank takes its pair in ascending order.
    var (best, count) = ([Int.max], 0)
    func choose(_ taken: [Int32], _ left: [Int32]) {
      guard !left.isEmpty else {
        count += 1
        let key = key(taken, nodes, tokens)
        if key.lexicographicallyPrecedes(best) { best = key }
        return
      }
      for first in 0..<left.count - 1 {
        for second in first + 1..<left.count {
          var rest = left
          rest.remove(at: second)
          rest.remove(at: first)
          choose(taken + [left[first], left[second]], rest)
        }
      }
    }
    choose([], (0..<8).map { $0 })
    #expect(count == 2520 && best == [3, 6, 5])
    let placement = try place("hypergraph:100", trafficProblem([tokens], nodes))
    let found = key(placement.physicalToLogical[0], nodes, tokens)
    #expect(found[0] == 3 && found[1] == 6, "\(found)")
  }

  @Test func connectivityIsNotThePairwiseCut() throws {
    // All tokens come from a rank without slots, so that each part is a copy.
    let topology = Topology(ranks: 3)
    let bundles = [(4, [0, 3, 4, 7]), (3, [2, 5, 6, 7]), (4, [0, 1, 3, 6])] as [(Int, [Int32])]
    let tokens = RoutingBundles(
      rankCount: 3, expertCount: 8,
      tokens: bundles.flatMap { count, experts in
        Array(repeating: (source: 2, experts: experts), count: count)
      })
    let problem = trafficProblem([tokens], topology, slotsPerRank: [4, 4, 0])
    func copies(_ placement: ExpertPlacement) -> Int {
      BundleCost(tokens, placement, topology, layerPrices(.rank, ranks: 3)).offRankCopies
    }
    let cut = try CoactivationPlacement().place(problem, name: "cut")
    #expect(
      Set([Set(cut.experts(onRank: 0, layerRow: 0)), Set(cut.experts(onRank: 1, layerRow: 0))])
        == [[0, 1, 3, 4], [2, 5, 6, 7]])
    #expect(copies(cut) == 19)
    #expect(copies(try HypergraphPlacement(band: 100).place(problem, name: "parts")) == 18)
  }

  /// T = a * largest load + b * copies: all ranks share what the node exchanges.
  private func tradeOff(_ ratio: Double) -> LayerPrices {
    LayerPrices(
      network: NetworkParameters(
        inside: LinkParameters(latency: .zero, bandwidth: .infinity),
        insideTotal: BytesPerSecond(1e6 / ratio),
        between: LinkParameters(latency: .zero, bandwidth: .infinity)),
      ranks: Array(
        repeating: RankParameters(
          efficiencies: [.init(rows: 1, rate: FlopsPerSecond(6e6))], memory: .infinity), count: 3),
      widths: ExpertWidths(hiddenSize: 1, ffnSize: 1), dedup: .rank, combine: .preReduced,
      hops: .pipelined, dispatchBytes: Bytes(1), combineBytes: .zero)
  }

  @Test(arguments: [0.1, 0.6, 0.66, 0.67, 0.7, 3])
  func balanceAndTrafficAreTradedAtTheirPrices(ratio: Double) throws {
    let topology = Topology(ranks: 3)
    let pairs = [(10, [0, 1]), (2, [2, 3])] as [(Int, [Int32])]
    let tokens = RoutingBundles(
      rankCount: 3, expertCount: 4,
      tokens: pairs.flatMap { Array(repeating: (source: 2, experts: $0.1), count: $0.0) })
    let prices = tradeOff(ratio)
    var front: Set<[Int]> = []
    for other in [1, 2, 3] as [Int32] {
      let experts = [0, other] + [1, 2, 3].filter { $0 != other }
      let cost = BundleCost(
        tokens, expertOfSlot: experts, rankOfSlot: [0, 0, 1, 1], topology: topology,
        prices: prices)
      let load = max(
        cost.rowsPerSlot[0] + cost.rowsPerSlot[1], cost.rowsPerSlot[2] + cost.rowsPerSlot[3])
      front.insert([load, cost.offRankCopies])
      let expected = (Double(load) + ratio * Double(cost.offRankCopies)) * 1e-6
      #expect(abs(cost.time.value - expected) < 1e-12)
    }
    #expect(front == [[20, 12], [12, 24]])
    let problem = trafficProblem([tokens], topology, prices: prices, slotsPerRank: [2, 2, 0])
    for sweeps in [0, 20] {
      let placement = try LocalSearchPlacement(sweeps: sweeps).place(problem, name: "search")
      let together = placement.experts(onRank: 0, layerRow: 0)
      #expect((together == [0, 1] || together == [2, 3]) == (ratio > 2.0 / 3))
    }
  }

  @Test func sourcesGetTheShortestWays() throws {
    let topology = Topology(nodeOfRank: [0, 0, 1])
    for seed in 0..<20 as Range<UInt64> {
      let tokens = drawnBundles(seed: seed, tokens: 30, ranks: 3, experts: 6, topK: 2)
      let counts = tokens.sourceCounts
      func distance(_ rankOfExpert: [Int]) -> Int {
        rankOfExpert.enumerated().reduce(0) { sum, home in
          sum
            + (0..<3).reduce(0) {
              let far = topology.nodeOfRank[$1] != topology.nodeOfRank[home.element]
              let steps = $1 == home.element ? 0 : far ? 10 : 1
              return $0 + steps * counts[$1 * 6 + home.offset]
            }
        }
      }
      var best = Int.max
      for code in 0..<729 {
        let homes = (0..<6).map { code / [1, 3, 9, 27, 81, 243][$0] % 3 }
        guard (0..<3).allSatisfy({ rank in homes.count { $0 == rank } == [3, 1, 2][rank] }) else {
          continue
        }
        best = min(best, distance(homes))
      }
      let placement = try SourcePlacement().place(
        trafficProblem([tokens], topology, slotsPerRank: [3, 1, 2]), name: "source")
      let row = placement.physicalToLogical[0]
      let homes = (0..<6).map { expert in Int(placement.rankOfSlot[row.firstIndex(of: expert)!]) }
      #expect(distance(homes) == best)
    }
  }

  @Test(arguments: [0, 3], [0, 1] as [UInt64])
  func noStrategyIsWorseThanItsStart(extra: Int, seed: UInt64) throws {
    let windows = (0..<3).map {
      drawnBundles(seed: 10 * seed + UInt64($0), tokens: 80, ranks: 4, experts: 11, topK: 3)
    }
    let prices = layerPrices(.node, ranks: 4)
    let problem = trafficProblem(windows, nodes, prices: prices)
    func times(_ placement: ExpertPlacement) -> Double {
      windows.reduce(0) { $0 + BundleCost($1, placement, nodes, prices).time.value }
    }
    func far(_ placement: ExpertPlacement) -> Int {
      windows.reduce(0) { $0 + BundleCost($1, placement, nodes, prices).offNodeCopies }
    }
    let search = try place("search+\(extra):10", problem)
    for start in ["eplb+\(extra):global", "hypergraph+\(extra)", "coactivation+\(extra)", "source"]
    {
      #expect(
        times(search) <= times(try place(start, problem)) * (1 + 1e-12)
          || extra > 0 && start == "source")
    }
    #expect(search.uselessReplicaCount == 0)
    let parts = try place("hypergraph:100", problem)
    #expect(far(parts) <= far(try place("lpt", problem)))
    #expect(far(parts) <= far(try place("round-robin", problem)))
  }

  @Test(arguments: names)
  func anyShapeIsServedAndReproduced(name: String) throws {
    let cases: [(Topology, Int, [Int]?, Int)] = [
      (Topology(ranks: 1), 5, nil, 0), (Topology(nodeOfRank: [0, 0, 1, 2]), 7, nil, 3),
      (Topology(nodeOfRank: [0, 1, 0, 1]), 6, [4, 0, 1, 3], 0),
      (Topology(ranks: 9, nodes: 3), 4, nil, 2),
    ]
    for (topology, experts, slots, extra) in cases {
      let ranks = topology.rankCount
      let windows = [
        drawnBundles(seed: 1, tokens: 40, ranks: ranks, experts: experts, topK: 2),
        RoutingBundles(rankCount: ranks, expertCount: experts, tokens: []),
      ]
      let problem = trafficProblem(
        windows, topology, prices: layerPrices(.node, ranks: ranks), slotsPerRank: slots)
      let parts = name.split(separator: ":")
      let plus = slots == nil ? "+\(extra)" : ""
      let word = "\(parts[0])\(plus)" + (parts.count == 2 ? ":\(parts[1])" : "")
      let placement = try place(word, problem)
      #expect(placement == (try place(word, problem)))
      // Where replicas gain nothing, auto may keep a strategy that makes none.
      let full = slots?.reduce(0, +) ?? experts + extra
      #expect(
        placement.slotCount == full || parts[0] == "auto" && placement.slotCount == experts)
      // A search that has no time is still a placement.
      var hurried = problem
      hurried.secondLimit = 0
      #expect(try place(word, hurried).rankCount == ranks)
    }
  }

  @Test func whatIsMissingIsNamed() throws {
    let problem = trafficProblem([tokens], nodes)
    for name in ["search", "auto"] {
      expectInputError("placement \(name)", "--cluster") { _ = try place(name, problem) }
    }
    var blind = problem
    blind.evidence = nil
    for name in ["source", "coactivation", "hypergraph"] {
      expectInputError("placement \(name)", "--workload") { _ = try place(name, blind) }
    }
    var narrow = problem
    narrow.slotsPerRank = [2, 2, 2, 1]
    expectInputError("7 slots", "needed are 8") { _ = try place("hypergraph", narrow) }
    var foreign = problem
    foreign.topology = Topology(ranks: 2)
    expectInputError("4 ranks and 8 experts", "2 ranks") { _ = try place("source", foreign) }
    var other = problem
    other.load = LoadHistogram(layers: [5], expertCount: 8)
    expectInputError("layer 5", "[3]") { _ = try place("coactivation", other) }
  }
}
