// SPDX-License-Identifier: Apache-2.0
// epsim: the placement whose layers take the least time, searched.

internal import CostModel
internal import MoE
internal import Workloads

/// Local search on the time of a layer, scored as the mean over windows (``WindowCost``).
///
/// Starts from the best of several strategies: blocks, heavy experts first, EPLB, the shortest ways
/// from sources, groups, the fewest copies. What it gives is never slower than any of them on the
/// tokens it was fitted to, by the price of the layer. Needs prices and tokens.
public struct LocalSearchPlacement: PlacementStrategy {
  /// Keeps these draws apart from those of routing, weights and inputs.
  private static let purpose: UInt64 = 0x2021

  /// Sweeps of annealing; 0 for descent alone.
  public let sweeps: Int

  /// - Precondition: `sweeps` is not negative.
  public init(sweeps: Int = 60) {
    precondition(sweeps >= 0, "\(sweeps) sweeps")
    self.sweeps = sweeps
  }

  public func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement {
    try solve(problem, name: name).placement
  }

  public func solve(_ problem: PlacementProblem, name: String) throws -> SolvedPlacement {
    let offsets = try problem.roomyOffsets(for: name)
    let prices = try problem.requirePrices(for: name)
    let windows = try problem.windows(for: name)
    let (topology, experts) = (problem.topology, problem.load.expertCount)
    let rankOfSlot = zip(offsets, offsets.dropFirst()).enumerated().flatMap { rank, slots in
      Array(repeating: rank, count: slots.1 - slots.0)
    }
    let clock = ContinuousClock()
    let begin = clock.now
    let starts = try Self.starts(problem, offsets: offsets)
    let key = CounterRandom(seed: 1, Self.purpose).key
    var isCutShort = false
    let rows = windows.enumerated().map { row, tokens -> [Int32] in
      // What is left is shared by the layers that are left.
      let spent = begin.duration(to: clock.now)
      let share =
        (.seconds(problem.secondLimit) - spent) / (windows.count - row)
      let deadline = clock.now + share
      let candidates = starts.map { start in
        let state = LocalSearch.State(
          expertOfSlot: start[row], rankOfSlot: rankOfSlot, time: .zero)
        return (state, cost(state, tokens, topology, prices).time)
      }
      let start = candidates.min { $0.1 < $1.1 }!.0
      var search = LocalSearch(
        start, expertCount: experts, rankCount: topology.rankCount, key: key,
        number: problem.load.layers[row],
        evaluate: { cost($0, tokens, topology, prices) })
      let isOver = {
        guard clock.now >= deadline else { return false }
        isCutShort = true
        return true
      }
      // Descent first: what a time limit cuts short has gained something by then.
      search.descend(rounds: 2, until: isOver)
      search.anneal(sweeps: sweeps, until: isOver)
      search.descend(rounds: 8, until: isOver)
      return search.best.experts
    }
    return SolvedPlacement(
      try ExpertPlacement(
        name: name, layers: problem.load.layers, expertCount: experts, slotOffsets: offsets,
        physicalToLogical: rows), isCutShort: isCutShort)
  }

  private func cost(
    _ state: LocalSearch.State, _ tokens: [RoutingBundles], _ topology: Topology,
    _ prices: LayerPrices
  ) -> WindowCost {
    WindowCost(
      tokens, expertOfSlot: state.expertOfSlot, rankOfSlot: state.rankOfSlot, topology: topology,
      prices: prices)
  }

  /// [starts][rows][P] experts, all in the problem's slots.
  private static func starts(
    _ problem: PlacementProblem, offsets: [Int]
  ) throws -> [[[Int32]]] {
    let strategies: [any PlacementStrategy] = [
      EPLBPlacement(policy: .global), HypergraphPlacement(), CoactivationPlacement(),
      SourcePlacement(),
    ]
    var problem = problem
    problem.slotsPerRank = zip(offsets, offsets.dropFirst()).map { $1 - $0 }
    return try strategies.map { try $0.place(problem, name: "start").physicalToLogical }
  }
}
