// SPDX-License-Identifier: Apache-2.0
// epsim: judges placements on tokens of a workload.

internal import CostModel
internal import Kernels
internal import MoE
internal import Placement
internal import Projection
internal import Reporting
internal import Workloads

/// Solves placements and scores them on the tokens that they were fitted to, and on others.
struct PlacementLab {
  let setup: WorkloadSetup
  let files: InputFiles
  let topology: Topology
  let setting: LabSetting
  /// [R]; nil where ranks are as fast as the cluster says.
  let rankSpeeds: [Double]?
  /// Nil where they are not known.
  let fitted: SampledSteps?
  let judged: SampledSteps
  let secondLimit: Double
  /// Windows of the tokens that a placement is fitted to.
  private static let windowCount = 8

  /// All that a bound depends on, of one lab.
  struct BoundKey: Hashable {
    let slotsPerRank: [Int]
    let dedup: Dedup
    let combine: CombineRule
    let rankSpeeds: [Double]?
  }

  /// A placement with its score.
  struct Judged {
    var row: PlacementLabRecord.Row
    /// All judged steps together.
    var counters: TrafficCounters
  }

  /// What layers cost with these slots; nil without a cluster. Shape: `slotOffsets` [R + 1].
  func prices(slotOffsets: [Int]) throws -> LayerPrices? {
    guard let profile = setting.profile else { return nil }
    let precision = profile.usualPrecision
    var prices = try CaseProjection(
      model: setup.model, elementType: precision == .f32 ? .f32 : .bf16, topology: topology,
      hops: profile.hops
    ).prices(
      setting.spec, slotOffsets: slotOffsets, profile: profile, precision: precision)
    for (rank, speed) in (rankSpeeds ?? []).enumerated() { prices.ranks[rank].speed *= speed }
    return prices
  }

  /// Adds what the lab knows of the machine to a problem.
  func complete(_ problem: inout PlacementProblem) throws {
    problem.prices = try prices(slotOffsets: problem.slotOffsets)
    problem.secondLimit = secondLimit
  }

  /// Scores a placement on some steps.
  func score(
    _ placement: ExpertPlacement, on steps: SampledSteps, prices: LayerPrices?
  ) throws -> PlacementScorer {
    var scorer = PlacementScorer(prices: prices, topology: topology)
    try steps.count(placement, topology: topology, choice: setting.spec.replicaChoice) {
      scorer.add($0)
    }
    return scorer
  }

  /// Judges a placement.
  ///
  /// - Parameters:
  ///   - solved: the placement, solved with this lab.
  ///   - reference: what moves are counted from.
  ///   - bounds: those that are known already.
  func judge(
    _ solved: PlaceCommand.Solved, reference: ExpertPlacement,
    bounds: inout [BoundKey: StepBound]
  ) throws -> Judged {
    let (placement, spec, load) = (solved.placement, solved.spec, solved.problem.load)
    let prices = try prices(slotOffsets: placement.slotOffsets)
    let scorer = try score(placement, on: judged, prices: prices)
    guard let score = scorer.score, let counters = scorer.total else {
      preconditionFailure("no judged step")
    }
    let slots = (0..<topology.rankCount).map { placement.slots(ofRank: $0).count }
    var regret: Double?
    if spec.needsLoad {
      let tokens = try judged.fitted(
        windows: Self.windowCount, needsTokens: spec.fitting == .tokens)
      let best = try self.score(solved.problem.refit(tokens), on: judged, prices: prices).score!
      regret = Self.cost(score) / Self.cost(best) - 1
    }
    let key = BoundKey(
      slotsPerRank: slots, dedup: setting.spec.dedup, combine: setting.spec.combine,
      rankSpeeds: rankSpeeds)
    let bound = try bounds[key] ?? bound(slotsPerRank: slots, prices: prices)
    bounds[key] = bound
    try placement.requireSameShape(as: reference)
    let moved = placement.relabelled(toKeep: reference, topology: topology, keepingNodes: true)
    let elementBytes = setting.profile?.usualPrecision.bytes ?? 2
    let row = PlacementLabRecord.Row(
      placement, name: solved.name, dedup: setting.spec.dedup,
      combine: setting.spec.combine, replicaChoice: setting.spec.replicaChoice,
      memoryBytesPerRank: Double((slots.max() ?? 0) * setup.layers.count)
        * Double(setup.model.expertParameterCount) * elementBytes,
      summedLoadMaxOverMean: spec.needsLoad ? try placement.maxOverMean(load) : nil,
      fitted: try fitted.map { try self.score(placement, on: $0, prices: prices).score! },
      judged: score, bound: bound, regret: regret,
      movedSlots: moved.movedSlots(from: reference), solveMs: solved.ms,
      isCutShort: solved.result.isCutShort)
    return Judged(row: row, counters: counters)
  }

  private static func cost(_ score: PlacementScore) -> Double {
    score.stepSeconds ?? score.load.maxOverMean
  }

  private func bound(slotsPerRank: [Int], prices: LayerPrices?) throws -> StepBound {
    if let prices {
      return StepBound(
        steps: try judged.bundles(), slotsPerRank: slotsPerRank, topology: topology,
        prices: prices)
    }
    return StepBound(loads: judged.loads, slotsPerRank: slotsPerRank)
  }

  /// Tokens of a window of ``drift(of:refit:)``.
  var driftWindowTokens: Int { 4 * driftStepTokens }

  /// A window is cut into four steps.
  private var driftStepTokens: Int {
    setup.trace.map { max(1, $0.tokenCount / (4 * Self.windowCount)) } ?? judged.tokensPerStep
  }

  /// Fits a strategy to windows of the whole workload and lets the fits grow old.
  ///
  /// - Throws: ``InputError`` where the workload is too short.
  func drift(
    of spec: PlacementSpec, refit: (FittedTokens) throws -> ExpertPlacement
  ) throws -> PlacementDrift {
    let all = try setup.sampled(
      .all(steps: 4 * Self.windowCount), tokensPerStep: driftStepTokens,
      rankCount: topology.rankCount)
    let windows = all?.windows(atMost: Self.windowCount) ?? []
    guard windows.count >= 2 else {
      throw InputError(
        "--drift needs a workload of at least two steps, --workload \(setup.options.workload) "
          + "tells \(windows.count)")
    }
    var fits: [ExpertPlacement] = []
    for window in windows {
      let fit = try refit(
        window.fitted(windows: Self.windowCount, needsTokens: spec.fitting == .tokens))
      fits.append(
        fits.last.map { fit.relabelled(toKeep: $0, topology: topology, keepingNodes: true) } ?? fit)
    }
    return try PlacementDrift(fits: fits) { placement, window in
      try score(placement, on: windows[window], prices: nil).score!.load.maxOverMean
    }
  }
}
