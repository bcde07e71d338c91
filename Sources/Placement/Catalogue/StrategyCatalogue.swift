// SPDX-License-Identifier: Apache-2.0
// epsim: all placement strategies, with their parameters.

internal import Workloads

extension PlacementSpec {
  /// Every strategy; the one list for parsing, errors, help and documentation.
  public static let catalogue: [StrategyEntry] = unfitted + byLoad + balancing + byTraffic

  private static let unfitted: [StrategyEntry] = [
    StrategyEntry("contiguous", "experts in blocks of consecutive numbers", fitting: .none) { _ in
      ContiguousPlacement()
    },
    StrategyEntry("round-robin", "expert e on rank e mod R", fitting: .none) { _ in
      RoundRobinPlacement()
    },
    StrategyEntry(
      "random", "a shuffle, then blocks", fitting: .none,
      .whole("seed", 1, 0...1_000_000_000_000, "of the shuffle")
    ) { RandomPlacement(seed: UInt64($0[whole: "seed"])) },
  ]

  private static let byLoad: [StrategyEntry] = [
    StrategyEntry(
      "lpt", "heavy experts first, each onto the lightest rank", fitting: .load, usesSpeeds: true
    ) { _ in LPTPlacement() },
    StrategyEntry(
      "eplb", "DeepSeek's balancer: hot experts get replicas, then heavy replicas first",
      fitting: .load, makesReplicas: true,
      .word(
        "policy", EPLBPlacement.Policy.allCases.map(\.rawValue),
        "node by node, over all ranks, or node by node where groups divide")
    ) { EPLBPlacement(policy: EPLBPlacement.Policy.allCases[$0[whole: "policy"]]) },
  ]

  private static let balancing: [StrategyEntry] = [
    StrategyEntry(
      "snake", "experts by falling load, dealt to ranks to and fro", fitting: .load,
      makesReplicas: true
    ) { _ in SnakePlacement() },
    StrategyEntry(
      "eplb-distinct", "as eplb over all ranks, never two replicas of an expert on one",
      fitting: .load, makesReplicas: true, usesSpeeds: true
    ) { _ in DistinctEPLBPlacement() },
    StrategyEntry(
      "window", "replicas for what is hot in any window of the tokens, dealt to and fro",
      fitting: .tokens, makesReplicas: true
    ) { _ in WindowPlacement() },
    StrategyEntry(
      "mean-variance", "balances the mean load of ranks and how much it varies over windows",
      fitting: .tokens, makesReplicas: true, usesSpeeds: true,
      .real("z", 0.674, 0...10, "standard deviations that count as load")
    ) { MeanVariancePlacement(z: $0["z"]) },
    StrategyEntry(
      "hot-tier", "the hottest experts on every rank, the others heavy first", fitting: .load,
      choosesSlots: true, usesSpeeds: true,
      .whole("hot", 1, 0...65_536, "experts that stand on every rank")
    ) { HotTierPlacement(hotCount: $0[whole: "hot"]) },
    StrategyEntry(
      "consistent-hash", "few experts move when ranks come or go", fitting: .none,
      .real("factor", 1.25, 1...16, "most experts of a rank, by the mean of all ranks")
    ) { ConsistentHashPlacement(factor: $0["factor"]) },
    StrategyEntry(
      "swap", "the placement of the moment, bettered by few moves", fitting: .load,
      choosesSlots: true, usesSpeeds: true, needsCurrent: true,
      .whole("moves", 100, 0...65_536, "swaps of two experts, in each layer")
    ) { SwapPlacement(swapLimit: $0[whole: "moves"]) },
  ]

  private static let byTraffic: [StrategyEntry] = [
    StrategyEntry(
      "source", "the shortest ways from the ranks that send", fitting: .tokens, makesReplicas: true,
      seesSources: true,
      .whole("far", 10, 1...1000, "distance to another node, against 1 inside one")
    ) { SourcePlacement(far: $0[whole: "far"]) },
    StrategyEntry(
      "coactivation", "experts that tokens choose together on one node, one rank",
      fitting: .tokens, makesReplicas: true,
      .real("band", 0.15, 0...1, "by how much of its share a rank may have more or fewer experts")
    ) { CoactivationPlacement(band: $0["band"]) },
    StrategyEntry(
      "hypergraph", "the fewest copies that leave nodes, then ranks", fitting: .tokens,
      makesReplicas: true, seesSources: true,
      .real("band", 0.1, 0...100, "how far above the mean the load of a node or rank may be")
    ) { HypergraphPlacement(band: $0["band"]) },
    StrategyEntry(
      "search", "annealing on the modelled time of each layer", fitting: .tokens,
      makesReplicas: true, needsPrices: true, seesSources: true,
      .whole("sweeps", 60, 0...100_000, "of annealing; 0 for descent alone")
    ) { LocalSearchPlacement(sweeps: $0[whole: "sweeps"]) },
    StrategyEntry(
      "auto", "tries the others, keeps the fastest on held-out tokens", fitting: .tokens,
      makesReplicas: true, needsPrices: true, seesSources: true,
      .whole("sweeps", 60, 0...100_000, "of the search")
    ) { AutoPlacement(sweeps: $0[whole: "sweeps"]) },
  ]
}
