// SPDX-License-Identifier: Apache-2.0
// epsim: all placement strategies, with their parameters.

internal import Workloads

extension PlacementSpec {
  /// Every strategy; the one list for parsing, errors, help and documentation.
  public static let catalogue: [StrategyEntry] = unfitted + byLoad + balancing

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
}
