// SPDX-License-Identifier: Apache-2.0
// epsim: placements that are chosen by what a layer of their case costs.

internal import CostModel
internal import MPI
internal import MoE
internal import Placement
internal import Projection
internal import Reporting

/// Solves the placements of cases that need prices, on rank 0 for all.
///
/// A time limit may cut a search where it stands, which differs by rank: what one rank has found is
/// sent to the others.
struct CaseSolving {
  let setup: WorkloadSetup
  let files: InputFiles
  let projection: CaseProjection
  let tokensPerStep: Int
  let judgedSteps: Range<Int>
  let precision: Precision
  let secondLimit: Double

  /// What was solved.
  struct Solution {
    /// [cases] nil where a case needs no prices.
    var placements: [ExpertPlacement?]
    /// What placements called `auto` tried, on rank 0.
    var choices: [AutoChoiceRecord] = []
  }

  /// Solves the cases that need prices. Collective.
  ///
  /// Cases that differ in nothing that prices depend on share one.
  /// - Parameter profile: on rank 0.
  /// - Throws: ``AgreedError`` where a case or the profile cannot be priced.
  func placements(
    of cases: [CaseSpec], profile: ClusterProfile?, on comm: borrowing Communicator
  ) throws -> Solution {
    let priced = cases.map { $0.placement.needsPrices ? $0.priced : nil }
    var distinct: [CaseSpec] = []
    for case let spec? in priced where !distinct.contains(spec) { distinct.append(spec) }
    guard !distinct.isEmpty else { return Solution(placements: priced.map { _ in nil }) }
    let own = try comm.agree(classify: Launch.exitCode) {
      comm.rank == 0 ? try distinct.map { try solve($0, profile: profile) } : []
    }
    let solved = try distinct.indices.map { index in
      try ExpertPlacement(
        json: comm.broadcast(comm.rank == 0 ? own[index].placement.json() : [], root: 0),
        file: distinct[index].placement.description)
    }
    return Solution(
      placements: priced.map { spec in spec.map { solved[distinct.firstIndex(of: $0)!] } },
      choices: zip(distinct, own).compactMap { spec, solved in
        solved.choice.map { choice in
          AutoChoiceRecord(
            choice,
            cases: cases.indices.filter { priced[$0] == spec }.map {
              cases[$0].name(among: cases)
            })
        }
      })
  }

  private func solve(_ spec: CaseSpec, profile: ClusterProfile?) throws -> SolvedPlacement {
    if Console.isTerminal { Console.replaceLine("placement \(spec.placement)") }
    defer { if Console.isTerminal { Console.replaceLine("") } }
    let fitted = try setup.fitted(
      for: [spec.placement], judgedSteps: judgedSteps, tokensPerStep: tokensPerStep,
      rankCount: projection.topology.rankCount, files: files)
    return try setup.solve(
      spec.placement, topology: projection.topology, fitted: fitted, files: files
    ) { problem in
      guard let profile else { return }
      problem.prices = try projection.prices(
        spec, slotOffsets: spec.placement.evenSlotOffsets(setup.model, projection.topology),
        profile: profile, precision: precision)
      problem.secondLimit = secondLimit
    }
  }
}

extension CaseSpec {
  /// The options that prices of a layer depend on, the others at rest.
  fileprivate var priced: CaseSpec {
    var spec = CaseSpec()
    spec.placement = placement
    // Rules are priced as the nearest copies, or as all copies in turn.
    spec.replicaChoice = replicaChoice.prefersNear ? .nearest : .expertRoundRobin
    spec.topK = topK
    (spec.dedup, spec.transport, spec.automatic) = (dedup, transport, automatic)
    (spec.wire, spec.combine, spec.combineWire) = (wire, combine, combineWire)
    (spec.compute, spec.expertRate) = (compute, expertRate)
    return spec
  }
}

extension PlacementSpec {
  /// Whether it is chosen by the time of a layer.
  var needsPrices: Bool { entry?.needsPrices ?? false }

  /// [R + 1] first slot of each rank, and P, of a strategy that shares slots out evenly.
  func evenSlotOffsets(_ model: ModelShape, _ topology: Topology) -> [Int] {
    SlotLayout.firstRanksHoldMore(
      slotCount: model.expertCount + extraSlots, rankCount: topology.rankCount)
  }

  /// Slots as the placement will have them, with experts in turn: a run is checked on it before
  /// anything is searched.
  func unsolved(
    _ model: ModelShape, layers: [Int], topology: Topology
  ) throws -> ExpertPlacement {
    let row = (0..<model.expertCount + extraSlots).map { Int32($0 % model.expertCount) }
    return try ExpertPlacement(
      name: description, layers: layers, expertCount: model.expertCount,
      slotOffsets: evenSlotOffsets(model, topology),
      physicalToLogical: layers.map { _ in row })
  }
}
