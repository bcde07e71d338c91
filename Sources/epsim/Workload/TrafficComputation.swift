// SPDX-License-Identifier: Apache-2.0
// epsim: load and traffic of a workload under a placement, computed without running it.

internal import CostModel
internal import MoE
internal import Placement
internal import Reporting
internal import Workloads

/// Counts what a workload sends on given ranks.
struct TrafficComputation {
  let setup: WorkloadSetup
  let files: InputFiles
  /// T, tokens of a step over all ranks.
  let tokensPerStep: Int
  let steps: Range<Int>
  let topology: Topology

  private static let largestCounters = 4_000_000_000

  /// A live router tells nothing without running.
  static let liveRouter = InputError(
    "load and traffic of a live router cannot be computed without running it; use --workload with "
      + "a trace or a generator")

  /// Solves the placement of a case.
  func placement(_ spec: CaseSpec) throws -> ExpertPlacement {
    let fitted = try setup.fitted(
      for: [spec.placement], judgedSteps: steps, tokensPerStep: tokensPerStep,
      rankCount: topology.rankCount, files: files)
    return try setup.place(spec.placement, topology: topology, fitted: fitted, files: files)
  }

  /// Counts the steps of a case one after the other.
  ///
  /// - Parameter add: takes each step's counters.
  /// - Throws: ``InputError`` for the live router, which tells nothing without running, and where
  ///   the counters would not fit into memory.
  func count(
    _ spec: CaseSpec, on placement: ExpertPlacement, add: (TrafficCounters) -> Void
  ) throws {
    guard let source = try setup.source(of: spec, tokensPerStep: tokensPerStep) else {
      throw Self.liveRouter
    }
    // Two matrices of R x R counters per layer, held twice while they are summed.
    let bytes = 32 * setup.layers.count * topology.rankCount * topology.rankCount
    guard bytes <= Self.largestCounters else {
      throw InputError(
        "counters of \(setup.layers.count) layers on \(topology.rankCount) ranks need "
          + "\(Quantity.bytes(Double(bytes))), accepted are "
          + "\(Quantity.bytes(Double(Self.largestCounters))); use fewer ranks or --layers")
    }
    let traffic = WorkloadTraffic(
      source: source, placement: placement, topology: topology, choice: spec.replicaChoice)
    for step in steps {
      let rankOfPosition = try setup.rankOfPosition(
        step: step, tokensPerStep: tokensPerStep, rankCount: topology.rankCount)
      add(traffic.counters(step: step, rankOfPosition: rankOfPosition))
    }
  }

  /// What the capacity of a case offers; nil where it is dropless.
  func capacity(of spec: CaseSpec) throws -> CapacityUse.Offer? {
    try CapacityFigures(
      setup: setup, tokensPerStep: tokensPerStep, steps: steps, rankCount: topology.rankCount
    ).figures(of: spec)
  }

  /// The counters of a case as a row of a table.
  func row(_ spec: CaseSpec, name: String) throws -> TrafficTable.Row {
    let placement = try placement(spec)
    var row = TrafficTable.Row(
      name: name, placement: placement, topology: topology, capacity: try capacity(of: spec))
    try count(spec, on: placement) { row.add($0) }
    return row
  }
}
