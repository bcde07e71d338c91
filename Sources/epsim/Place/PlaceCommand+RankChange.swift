// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim place --rank-change`.

internal import CostModel
internal import MoE
internal import Placement
internal import Projection
internal import Reporting
internal import Workloads

extension PlaceCommand {
  /// Solves every placement for these ranks and for more and fewer, and says what moves.
  ///
  /// - Parameters:
  ///   - text: how many ranks come and leave, such as `-1,+1`.
  ///   - settings: one, with which placements are solved that look at it.
  func reportRankChanges(
    _ text: String, _ specs: [PlacementSpec], _ settings: [LabSetting], topology: Topology
  ) throws {
    let changes = try rankChanges(text, topology: topology)
    try refuseWithRankChange(text, specs)
    guard settings.count == 1 else {
      throw InputError(
        "--rank-change \(text) takes one value of --replica-choice, --dedup and --combine, the lists "
          + "make \(settings.count)")
    }
    func problem(_ spec: PlacementSpec, _ topology: Topology) throws -> Problem {
      try self.problem(spec, topology: topology, setting: settings[0])
    }
    var rows: [RankChangeRecord.Row] = []
    var layers = 0
    for spec in specs {
      let start = try problem(spec, topology)
      let old = try start.solve(nil).placement
      layers = old.layers.count
      let expertBytes = start.lab.map { lab in
        Bytes(
          Double(lab.setup.model.expertParameterCount)
            * (lab.setting.profile?.usualPrecision.bytes ?? 2))
      }
      func row(
        _ placement: ExpertPlacement, _ count: Int?, lost: Int? = nil, _ change: RankChange,
        _ problem: Problem
      ) throws -> RankChangeRecord.Row {
        RankChangeRecord.Row(
          spec.description, ranks: count, lostRank: lost, change, expertBytes: expertBytes,
          maxOverMean: !problem.knowsLoad
            ? nil : try placement.maxOverMean(problem.load))
      }
      let loss = RankChange.worstLoss(of: old, topology: topology)
      rows.append(try row(old, nil, lost: loss.rank, loss.change, start))
      for count in changes {
        let changed = topology.with(rankCount: topology.rankCount + count)
        let next = try problem(spec, changed)
        let new = try next.solve(nil).placement
        let change = RankChange(
          from: old, to: new, topology: count > 0 ? changed : topology,
          relabelling: spec.usualRelabelling)
        rows.append(try row(new, count, change, next))
      }
    }
    let record = RankChangeRecord(topology: topology, layers: layers, rows: rows)
    print(json ? try RecordCoding.text(record) : RankChangeReport(record).text)
  }

  private func rankChanges(_ text: String, topology: Topology) throws -> [Int] {
    let ranks = topology.rankCount
    let changes = try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
      guard let count = Int(part), count != 0, (1 - ranks...65_536 - ranks).contains(count) else {
        throw InputError(
          "--rank-change \(InputError.excerpt(text)): \"\(InputError.excerpt(part))\", accepted "
            + "are numbers of ranks that leave or come, such as -1,+1, which leave 1 to 65536 of "
            + "\(ranks)")
      }
      return count
    }
    if let twice = changes.enumerated().first(where: { changes[..<$0.offset].contains($0.element) })
    {
      throw InputError("--rank-change \(text) has \(twice.element) twice, changes must differ")
    }
    return changes
  }

  /// Refuses what is for one number of ranks.
  private func refuseWithRankChange(_ text: String, _ specs: [PlacementSpec]) throws {
    let others: [(option: String, isGiven: Bool)] = [
      ("--slots-per-rank", ranks.slotsPerRank != nil), ("--rank-speeds", ranks.rankSpeeds != nil),
      ("--current", ranks.current != nil), ("--write", write != nil), ("--drift", drift),
      ("--judge", judge != nil), ("--per-batch", perBatch != nil),
    ]
    if let other = others.first(where: \.isGiven) {
      throw InputError(
        "\(other.option) is of one number of ranks, it does not go with --rank-change \(text)")
    }
    if let spec = specs.first(where: { $0.entry?.needsCurrent ?? true }) {
      throw InputError(
        "--rank-change \(text): placement \(spec) is for the ranks that it was made for, accepted "
          + "are strategies that start from nothing")
    }
  }
}

extension PlaceCommand.Problem {
  /// Whether any expert is chosen: a live router tells no load beforehand.
  fileprivate var knowsLoad: Bool {
    load.layers.indices.contains { load.row($0).contains { $0 > 0 } }
  }
}
