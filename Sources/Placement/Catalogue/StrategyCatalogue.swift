// SPDX-License-Identifier: Apache-2.0
// epsim: all placement strategies, with their parameters.

internal import Workloads

extension PlacementSpec {
  /// Every strategy; the one list for parsing, errors, help and documentation.
  public static let catalogue: [StrategyEntry] = unfitted + byLoad + byTraffic

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
    StrategyEntry("lpt", "heavy experts first, each onto the lightest rank", fitting: .load) { _ in
      LPTPlacement()
    },
    StrategyEntry(
      "eplb", "DeepSeek's balancer: hot experts get replicas, then heavy replicas first",
      fitting: .load, makesReplicas: true,
      .word(
        "policy", EPLBPlacement.Policy.allCases.map(\.rawValue),
        "node by node, over all ranks, or node by node where groups divide")
    ) { EPLBPlacement(policy: EPLBPlacement.Policy.allCases[$0[whole: "policy"]]) },
  ]

  private static let byTraffic: [StrategyEntry] = [
    StrategyEntry(
      "source", "the shortest ways from the ranks that send", fitting: .tokens, makesReplicas: true,
      .whole("far", 10, 1...1000, "distance to another node, against 1 inside one")
    ) { SourcePlacement(far: $0[whole: "far"]) },
    StrategyEntry(
      "coactivation", "experts that tokens choose together on one node, one rank",
      fitting: .tokens, makesReplicas: true,
      .real("band", 0.15, 0...1, "by how much of its share a rank may have more or fewer experts")
    ) { CoactivationPlacement(band: $0["band"]) },
    StrategyEntry(
      "hypergraph", "the fewest copies that leave nodes, then ranks", fitting: .tokens,
      makesReplicas: true,
      .real("band", 0.1, 0...100, "how far above the mean the load of a node or rank may be")
    ) { HypergraphPlacement(band: $0["band"]) },
    StrategyEntry(
      "search", "annealing on the modelled time of each layer", fitting: .tokens,
      makesReplicas: true, needsPrices: true,
      .whole("sweeps", 60, 0...100_000, "of annealing; 0 for descent alone")
    ) { LocalSearchPlacement(sweeps: $0[whole: "sweeps"]) },
    StrategyEntry(
      "auto", "tries the others, keeps the fastest on held-out tokens", fitting: .tokens,
      makesReplicas: true, needsPrices: true,
      .whole("sweeps", 60, 0...100_000, "of the search")
    ) { AutoPlacement(sweeps: $0[whole: "sweeps"]) },
  ]
}
