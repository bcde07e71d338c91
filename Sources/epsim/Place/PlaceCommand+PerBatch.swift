// SPDX-License-Identifier: Apache-2.0
// epsim: experts that ranks lend each other for single batches, as `epsim place` judges them.

internal import CostModel
internal import MoE
internal import Placement
internal import Projection
internal import Reporting
internal import Workloads

extension PlaceCommand {
  /// The rules of `--per-batch`; nil where none is asked for.
  func transientRules() throws -> [TransientRule]? {
    guard let perBatch else { return nil }
    let words = perBatch.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    guard !words.contains("") else {
      throw InputError("--per-batch \"\(InputError.excerpt(perBatch))\" has an empty entry")
    }
    if let twice = words.enumerated().first(where: { words[..<$0.offset].contains($0.element) }) {
      throw InputError(
        "--per-batch \(InputError.excerpt(twice.element)) is given twice, rules must differ")
    }
    return try words.map { try TransientRule(parsing: $0) }
  }

  /// What the rules of `--per-batch` do to what was solved; nil where none is asked for.
  func transients(_ solved: [Solved], lab: PlacementLab) throws -> TransientRecord? {
    guard let rules = try transientRules() else { return nil }
    let precision = lab.setting.profile?.usualPrecision
    let widths = ExpertWidths(
      lab.setup.model, bytesPerWeight: precision?.bytes ?? 2,
      bytesPerActivation: precision?.bytes ?? 2)
    let rows = try solved.flatMap { entry in
      try entry.problem.lab!.transients(entry, rules: rules, widths: widths)
    }
    return TransientRecord(
      rows, tokensPerBatch: lab.judged.tokensPerStep, bytesPerExpert: widths.bytesPerExpert.value,
      tokens: "judged on \(judge ?? lab.setup.judgedDescription)",
      cluster: lab.setting.profile?.name,
      link: lab.setting.profile.map { _ in
        "through the ports of the ranks that lend and get them, "
          + (lab.topology.nodeCount > 1 ? "inside nodes and between them" : "inside the node")
      })
  }
}

extension PlacementLab {
  /// A placement without lent experts, then under each rule, on the judged steps.
  fileprivate func transients(
    _ solved: PlaceCommand.Solved, rules: [TransientRule], widths: ExpertWidths
  ) throws -> [TransientRecord.Row] {
    let placement = solved.placement
    let prices = try prices(slotOffsets: placement.slotOffsets)
    var scorers = ([nil] + rules).map {
      TransientScorer($0, topology: topology, widths: widths, prices: prices)
    }
    let traffic = WorkloadTraffic(
      source: judged.source, placement: placement, topology: topology,
      choice: setting.spec.replicaChoice)
    for step in judged.steps {
      let batches = try traffic.batches(step: step, rankOfPosition: judged.rankOfPosition(step))
      for batch in batches {
        for index in scorers.indices { try scorers[index].add(batch) }
      }
    }
    let without = scorers[0].score
    return zip([nil] + rules.map(\.description), scorers).map { rule, scorer in
      TransientRecord.Row(
        placement: solved.name, rule: rule, score: scorer.score, without: without,
        tokensPerBatch: judged.tokensPerStep)
    }
  }
}
