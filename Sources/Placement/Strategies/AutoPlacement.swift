// SPDX-License-Identifier: Apache-2.0
// epsim: the strategy that is best on tokens that it was not fitted to.

internal import CostModel
internal import MoE
internal import Workloads

/// Tries strategies within the time limit and keeps the one whose layers take the least time on
/// windows that it was not fitted to; then fits it to all windows.
///
/// The first half of the windows is fitted to, the second decides: that is how a placement is used.
/// A search within it ends early where the limit asks for it; all else is quick.
public struct AutoPlacement: PlacementStrategy {
  /// Sweeps of the search.
  public let sweeps: Int

  /// - Precondition: `sweeps` is not negative.
  public init(sweeps: Int = 60) {
    precondition(sweeps >= 0, "\(sweeps) sweeps")
    self.sweeps = sweeps
  }

  public func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement {
    try solve(problem, name: name).placement
  }

  /// The placement, and what was tried for it.
  ///
  /// - Throws: ``InputError`` as ``place(_:name:)``.
  public func solve(_ problem: PlacementProblem, name: String) throws -> SolvedPlacement {
    _ = try problem.roomyOffsets(for: name)
    let prices = try problem.requirePrices(for: name)
    let windows = try problem.windows(for: name)
    let evidence = try problem.requireEvidence(for: name)
    let count = evidence.windows.count
    let seen = (count + 1) / 2
    var fitting = problem
    fitting.evidence = RoutingEvidence(
      layers: evidence.layers, windows: Array(evidence.windows[..<seen]))
    fitting.load = LoadHistogram(
      layers: problem.load.layers,
      rows: windows.map { tokens in Self.load(tokens[..<seen]) })
    let clock = ContinuousClock()
    let begin = clock.now
    func left() -> Double { problem.secondLimit - begin.duration(to: clock.now).seconds }

    var choice = AutoChoice(
      candidates: [], chosen: 0, fittedWindows: seen, heldOutWindows: count - seen, leftOut: [])
    var isCutShort = false
    var strategies: [(strategy: any PlacementStrategy, makesReplicas: Bool)] = []
    for (word, strategy, makesReplicas) in candidates() {
      // The winner is fitted once more, to twice as many tokens.
      fitting.secondLimit = max(0, left()) / 3
      if left() <= 0, !strategies.isEmpty {
        choice.leftOut.append("\(word): no time was left")
        isCutShort = true
        continue
      }
      do {
        let solved = try strategy.solve(
          makesReplicas ? fitting : try withoutExtras(fitting), name: word)
        isCutShort = isCutShort || solved.isCutShort
        let times = Self.times(solved.placement, windows, problem.topology, prices)
        let held = times[seen...].isEmpty ? times[...] : times[seen...]
        choice.candidates.append(
          AutoChoice.Candidate(
            name: word, fitted: Self.mean(times[..<seen]), heldOut: Self.mean(held)))
        strategies.append((strategy, makesReplicas))
      } catch let error as InputError {
        choice.leftOut.append("\(word): \(error)")
      }
    }
    choice.chosen = choice.candidates.indices.min {
      (choice.candidates[$0].heldOut, $0) < (choice.candidates[$1].heldOut, $1)
    }!
    var whole = problem
    whole.secondLimit = max(0, left())
    let winner = strategies[choice.chosen]
    var solved = try winner.strategy.solve(
      winner.makesReplicas ? whole : try withoutExtras(whole), name: name)
    solved.choice = choice
    solved.isCutShort = isCutShort || solved.isCutShort
    return solved
  }

  /// Strategies as they are written, and whether they make replicas.
  private func candidates() -> [(String, any PlacementStrategy, Bool)] {
    [
      ("contiguous", ContiguousPlacement(), false), ("lpt", LPTPlacement(), false),
      ("eplb", EPLBPlacement(), true), ("eplb:global", EPLBPlacement(policy: .global), true),
      ("source", SourcePlacement(), true), ("coactivation", CoactivationPlacement(), true),
      ("hypergraph", HypergraphPlacement(), true),
      ("search", LocalSearchPlacement(sweeps: sweeps), true),
    ]
  }

  /// The problem with a slot per expert.
  private func withoutExtras(_ problem: PlacementProblem) throws -> PlacementProblem {
    var problem = problem
    problem.extraSlots = 0
    guard problem.slotCount == problem.load.expertCount else {
      throw InputError(
        "it makes no replicas for \(problem.slotCount) slots of \(problem.load.expertCount) experts"
      )
    }
    return problem
  }

  /// [E]
  private static func load(_ windows: ArraySlice<RoutingBundles>) -> [Int] {
    windows.dropFirst().reduce(into: windows.first!.load) { sums, bundles in
      for (expert, count) in bundles.load.enumerated() { sums[expert] += count }
    }
  }

  /// [windows] the time of all layers.
  ///
  /// Shapes: `windows` [rows][windows].
  static func times(
    _ placement: ExpertPlacement, _ windows: [[RoutingBundles]], _ topology: Topology,
    _ prices: LayerPrices
  ) -> [Seconds] {
    var sums = windows[0].map { _ in Seconds.zero }
    for (row, tokens) in windows.enumerated() {
      for (window, bundles) in tokens.enumerated() {
        sums[window] +=
          BundleCost(
            bundles, expertOfSlot: placement.physicalToLogical[row],
            rankOfSlot: placement.rankOfSlot.map { Int($0) }, topology: topology, prices: prices
          ).time
      }
    }
    return sums
  }

  private static func mean(_ times: ArraySlice<Seconds>) -> Seconds {
    times.reduce(.zero, +) / Double(times.count)
  }
}

extension Duration {
  fileprivate var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}
