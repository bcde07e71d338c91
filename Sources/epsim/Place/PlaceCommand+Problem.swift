// SPDX-License-Identifier: Apache-2.0
// epsim: what `epsim place` solves placements for.

internal import CostModel
internal import MoE
internal import Placement
internal import Timing
internal import Workloads

extension PlaceCommand {
  /// A placement and what it was solved for.
  struct Solved {
    let spec: PlacementSpec
    let problem: Problem
    let result: SolvedPlacement
    let ms: Double

    var placement: ExpertPlacement { result.placement }
    /// Of the placement with what goes with it; its own where only loads are known.
    var name: String {
      problem.lab?.setting.name(of: placement, isChosenByPrices: spec.weighsReplicas)
        ?? placement.name
    }
  }

  /// Solves a placement with each setting; without replicas there are no copies to choose among,
  /// and settings that differ in that only are left out.
  func solve(
    _ spec: PlacementSpec, _ settings: [LabSetting], topology: Topology
  ) throws -> [Solved] {
    var hasReplicas = true
    return try settings.compactMap { setting in
      guard hasReplicas || setting.isOfFirstChoice || spec.weighsReplicas else { return nil }
      let problem = try problem(spec, topology: topology, setting: setting)
      let start = MonotonicClock.now()
      let result = try problem.solve(nil)
      hasReplicas = result.placement.extraSlotCount > 0
      return Solved(
        spec: spec, problem: problem, result: result,
        ms: Double(MonotonicClock.now() - start) / 1e6)
    }
  }

  /// Tokens and ranks, and how a placement is solved for them.
  struct Problem {
    let load: LoadHistogram
    /// Nil where only a load is known.
    var lab: PlacementLab?
    /// Nil where ranks are alike.
    let rankSpeeds: [Double]?
    /// Solves it for these tokens; nil for those that are fitted.
    let solve: (FittedTokens?) throws -> SolvedPlacement

    /// The placement for these tokens.
    func refit(_ fitted: FittedTokens) throws -> ExpertPlacement { try solve(fitted).placement }
  }

  /// What a placement is solved for.
  func problem(
    _ spec: PlacementSpec, topology: Topology, setting: LabSetting
  ) throws -> Problem {
    if let load {
      guard workload.workload == "router", workload.fit == nil, workload.layers == "all" else {
        throw InputError(
          "--load \(load) is the whole load; --workload, --layers and --fit do not go with it")
      }
      let histogram = try Self.histogram(load)
      let groups = workload.groups ?? 1
      guard (1...histogram.expertCount).contains(groups) else {
        throw InputError("--groups \(groups), accepted are 1 to \(histogram.expertCount)")
      }
      var problem = PlacementProblem(load: histogram, topology: topology, groups: groups)
      let rankValues = try ranks.read(
        for: spec, topology: topology, expertCount: histogram.expertCount,
        layerLists: [histogram.layers])
      rankValues.complete(&problem)
      return Problem(load: histogram, rankSpeeds: rankValues.rankSpeeds) { [problem] _ in
        try spec.solve(problem, modelLayers: histogram.layers)
      }
    }
    if let tokens, !(1...1_048_576).contains(tokens) {
      throw InputError("--tokens \(tokens), accepted are 1 to 1048576")
    }
    let files = try InputFiles(WorkloadSetup.requests(workload, placements: [spec]))
    let setup = try WorkloadSetup(workload, files: files, placements: [spec])
    if let remark = setup.modelRemark { Console.note(remark) }
    let tokens = stepTokens(setup)
    // The report judges by the load even where the placement does not look at it; a live router
    // tells none.
    let needed = setup.spec == nil && setup.fit == .tokens(.all) ? [spec] : [spec, .lpt]
    let fitted = try setup.fitted(
      for: needed, judgedSteps: 0..<1, tokensPerStep: tokens, rankCount: topology.rankCount,
      files: files)
    let rankValues = try ranks.read(
      for: spec, topology: topology, expertCount: setup.model.expertCount,
      layerLists: [Array(setup.model.moeLayers), setup.layers])
    let lab = try lab(
      setup, files: files, topology: topology, setting: setting, rankSpeeds: rankValues.rankSpeeds)
    return Problem(load: fitted.load, lab: lab, rankSpeeds: rankValues.rankSpeeds) { other in
      try setup.solve(spec, topology: topology, fitted: other ?? fitted, files: files) {
        rankValues.complete(&$0)
        try lab?.complete(&$0)
      }
    }
  }

  static func histogram(_ path: String) throws -> LoadHistogram {
    try LoadHistogram(
      bytes: InputFile.bytes(ofPath: path, kind: "load file"), name: "load file \(path)")
  }

  /// Tokens of a step: a trace is cut into sixteen, eight to fit to and eight to judge.
  func stepTokens(_ setup: WorkloadSetup) -> Int {
    tokens ?? setup.trace.map { min(4096, max(1, $0.tokenCount / 16)) } ?? 4096
  }
}

extension PlacementSpec {
  /// Whether the rule for replicas may decide if there are any.
  fileprivate var weighsReplicas: Bool { needsPrices && extraSlots > 0 }
}
