// SPDX-License-Identifier: Apache-2.0
// epsim: all placement strategies, with their parameters.

internal import Workloads

extension PlacementSpec {
  /// Every strategy; the one list for parsing, errors, help and documentation.
  public static let catalogue: [StrategyEntry] = unfitted + byLoad

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
}
