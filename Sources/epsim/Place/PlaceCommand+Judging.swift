// SPDX-License-Identifier: Apache-2.0
// epsim: how `epsim place` judges what it solved.

internal import CostModel
internal import MoE
internal import Placement
internal import Projection
internal import Reporting
internal import Workloads

extension PlaceCommand {
  /// What placements are judged with.
  func settings() throws -> [LabSetting] {
    if load != nil {
      let others: [(option: String, isGiven: Bool)] = [
        ("--cluster", cluster != nil), ("--drift", drift), ("--dedup", dedup != "none"),
        ("--combine", combine != "exact"), ("--replica-choice", replicaChoice != "expert-rr"),
        ("--per-batch", perBatch != nil),
      ]
      if let other = others.first(where: \.isGiven) {
        throw InputError(
          "\(other.option) needs tokens, which --load \(load!) does not tell; use --workload with "
            + "a trace or a generator")
      }
    }
    return try LabSetting.all(
      replicaChoice: replicaChoice, dedup: dedup, combine: combine,
      profile: try cluster.map { try ClusterLibrary.open($0) })
  }

  /// The lab of a workload; nil where it tells no tokens.
  func lab(
    _ setup: WorkloadSetup, files: InputFiles, topology: Topology, setting: LabSetting,
    rankSpeeds: [Double]?
  ) throws -> PlacementLab? {
    let fitted = try setup.sampled(
      .fitted, tokensPerStep: stepTokens(setup), rankCount: topology.rankCount)
    let judged: SampledSteps?
    if let judge {
      judged = try judgedElsewhere(judge, topology: topology)
    } else {
      judged = try setup.sampled(
        .judged, tokensPerStep: stepTokens(setup), rankCount: topology.rankCount)
    }
    guard let judged else {
      guard cluster == nil, !drift, perBatch == nil else {
        throw InputError(
          "\(drift ? "--drift" : cluster != nil ? "--cluster" : "--per-batch") needs tokens, which a "
            + "live router does not tell "
            + "beforehand; use --workload or --judge with a trace or a generator")
      }
      return nil
    }
    if let profile = setting.profile {
      // Refuses ranks that the cluster cannot hold.
      try profile.requireFit(topology, profile.usualPrecision)
    }
    return PlacementLab(
      setup: setup, files: files, topology: topology, setting: setting, rankSpeeds: rankSpeeds,
      fitted: fitted, judged: judged, secondLimit: maxSeconds)
  }

  /// All tokens of another workload of the same model.
  private func judgedElsewhere(_ text: String, topology: Topology) throws -> SampledSteps {
    var options = workload
    (options.workload, options.fit) = (text, FitRange.all.rawValue)
    let files = try InputFiles(WorkloadSetup.requests(options, placements: []))
    let setup = try WorkloadSetup(options, files: files, placements: [])
    guard
      let judged = try setup.sampled(
        .judged, tokensPerStep: stepTokens(setup), rankCount: topology.rankCount)
    else {
      throw InputError(
        "--judge \(text): a live router tells no tokens beforehand, accepted are traces and "
          + "generators")
    }
    return judged
  }

  /// Prints what was solved.
  func report(_ solved: [Solved], topology: Topology) throws {
    guard let lab = solved[0].problem.lab else {
      try reportLoads(solved, topology: topology)
      return
    }
    let reference = try reference(solved, topology: topology)
    var bounds: [PlacementLab.BoundKey: StepBound] = [:]
    let judged = try solved.map { entry in
      try entry.problem.lab!.judge(entry, reference: reference, bounds: &bounds)
    }
    var record = PlacementLabRecord(
      judged.map(\.row), topology: topology, layers: lab.setup.layers.count,
      cluster: lab.setting.profile?.name,
      fittedTokens: lab.setup.fitDescription,
      judgedTokens: judge ?? lab.setup.judgedDescription, movedFrom: reference.name)
    let choices = solved.compactMap { entry in
      entry.result.choice.map { AutoChoiceRecord($0, cases: [entry.name]) }
    }
    if !choices.isEmpty { record.placementChoices = choices }
    let drifts = drift ? try self.drifts(solved) : []
    if drift {
      record.drift = Dictionary(uniqueKeysWithValues: drifts.map { ($0.name, $0.drift) })
    }
    record.perBatch = try transients(solved, lab: lab)
    if solved.count > 1 {
      print(json ? try RecordCoding.text(record) : PlacementLabReport(record).text)
    } else {
      var single = try self.record(solved[0], topology: topology)
      single.judging = record
      if json {
        print(try RecordCoding.text(single))
        return
      }
      print(PlacementReport(single).text)
      print("\n" + PlacementLabReport(record).text)
      let before = try lab.score(reference, on: lab.judged, prices: nil).total
      print(
        "\n"
          + PlacementPictures(
            judged[0].counters,
            before: reference.name == solved[0].placement.name ? nil : before
          ).text)
    }
    if drift, !json {
      print("\n" + DriftReport(drifts, windowTokens: lab.driftWindowTokens).text)
    }
    if let perBatch = record.perBatch, !json { print("\n" + TransientReport(perBatch).text) }
  }

  /// What moves are counted from: the placement of the moment, else the first of several, contiguous
  /// experts for one.
  private func reference(_ solved: [Solved], topology: Topology) throws -> ExpertPlacement {
    let load = solved[0].problem.load
    let current = try ranks.currentPlacement(
      layerLists: [load.layers], expertCount: load.expertCount, ranks: topology.rankCount)
    if let current { return try current.selecting(layers: load.layers, name: current.name) }
    if solved.count > 1 { return solved[0].placement }
    return try PlacementSpec.contiguous.place(
      load: solved[0].problem.load, topology: topology, groups: 1, modelLayers: [])
  }

  private func record(_ entry: Solved, topology: Topology) throws -> PlacementRecord {
    try PlacementRecord(
      entry.placement, load: entry.problem.load, nodes: topology.nodeCount, solveMs: entry.ms,
      rankSpeeds: entry.problem.rankSpeeds)
  }

  /// Where only loads are known.
  private func reportLoads(_ solved: [Solved], topology: Topology) throws {
    let records = try solved.map { try record($0, topology: topology) }
    let other = try judge.map { try Self.histogram($0) }
    let judged = try solved.map { entry in
      try other.map { try entry.placement.maxOverMean($0) }
    }
    if solved.count == 1 {
      var record = records[0]
      record.judgedMaxOverMean = judged[0]
      print(json ? try RecordCoding.text(record) : PlacementReport(record).text)
      return
    }
    let table = PlacementLoadTable(zip(records, judged).map { ($0, $1) })
    print(json ? try RecordCoding.text(table.rows) : table.text)
  }

  private func drifts(
    _ solved: [Solved]
  ) throws -> [(name: String, drift: PlacementDrift)] {
    try solved.filter(\.spec.needsLoad).map { entry in
      let lab = entry.problem.lab!
      return (
        entry.name,
        try lab.drift(of: entry.spec, refit: entry.problem.refit)
      )
    }
  }
}
