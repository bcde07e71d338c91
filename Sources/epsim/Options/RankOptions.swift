// SPDX-License-Identifier: Apache-2.0
// epsim: the options that say what single ranks hold and do.

internal import ArgumentParser
internal import CostModel
internal import MoE
internal import Placement
internal import Workloads

/// Ranks that are not all alike, and what stands on them now.
struct RankOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Slots of each rank, such as 5,3,4,4; 0 leaves a rank out. Default: even shares.",
      valueName: "list"))
  var slotsPerRank: String?

  @Option(
    help: ArgumentHelp(
      "Speed of each rank, such as 1,1,0.5,1; 1 is the fastest. Default: all alike.",
      valueName: "list"))
  var rankSpeeds: String?

  @Option(
    help: ArgumentHelp(
      "The placement of the moment, as JSON or CSV, for strategies that start from it.",
      valueName: "file"))
  var current: String?

  /// What a problem has beyond tokens and even ranks.
  struct Values {
    fileprivate var slotsPerRank: [Int]?
    fileprivate(set) var rankSpeeds: [Double]?
    fileprivate var current: ExpertPlacement?

    func complete(_ problem: inout PlacementProblem) {
      problem.slotsPerRank = slotsPerRank
      problem.rankSpeeds = rankSpeeds
      problem.current = current
    }
  }

  /// Reads the lists and the file.
  ///
  /// - Parameter layerLists: what the lines of a CSV file may stand for.
  /// - Throws: ``InputError`` that names the option, the value and what is accepted.
  func read(
    for spec: PlacementSpec, topology: Topology, expertCount: Int, layerLists: [[Int]]
  ) throws -> Values {
    if rankSpeeds != nil, spec.entry?.usesSpeeds != true {
      let others = PlacementSpec.catalogue.filter(\.usesSpeeds).map(\.name)
      throw InputError(
        "--rank-speeds: placement \(spec) does not look at speeds, accepted are "
          + others.joined(separator: ", "))
    }
    if slotsPerRank != nil, spec.filePath != nil {
      throw InputError(
        "--slots-per-rank: placement \(spec) is a file, whose ranks have the slots that it says")
    }
    let speeds = PlacementProblem.speedRange
    return Values(
      slotsPerRank: try slotsPerRank.map {
        try list(
          $0, "--slots-per-rank", ranks: topology.rankCount,
          of: "whole numbers from 0 to "
            + "\(ExpertPlacement.maximumSlotCount)"
        ) { text in
          Int(text).flatMap { (0...ExpertPlacement.maximumSlotCount).contains($0) ? $0 : nil }
        }
      },
      rankSpeeds: try rankSpeeds.map {
        try list(
          $0, "--rank-speeds", ranks: topology.rankCount,
          of: "numbers from \(speeds.lowerBound) to 1"
        ) { text in
          Double(text).flatMap { speeds.contains($0) ? $0 : nil }
        }
      },
      current: spec.entry?.needsCurrent == true
        ? try currentPlacement(
          layerLists: layerLists, expertCount: expertCount, ranks: topology.rankCount) : nil)
  }

  /// The file of `--current`; nil where none is given.
  func currentPlacement(
    layerLists: [[Int]], expertCount: Int, ranks: Int
  ) throws -> ExpertPlacement? {
    try current.map { path in
      try ExpertPlacement(
        bytes: InputFile.bytes(ofPath: path, kind: "placement"), path: path,
        layerLists: layerLists, expertCount: expertCount, rankCount: ranks)
    }
  }

  /// Refuses a placement of the moment that no strategy of a list looks at.
  func requireUse(of specs: [PlacementSpec]) throws {
    guard current != nil, !specs.contains(where: { $0.entry?.needsCurrent == true }) else { return }
    let others = PlacementSpec.catalogue.filter(\.needsCurrent).map(\.name)
    throw InputError(
      "--current: placement \(specs[0]) does not start from another one, accepted are "
        + others.joined(separator: ", "))
  }

  private func list<Value>(
    _ text: String, _ option: String, ranks: Int, of accepted: String,
    value: (String) -> Value?
  ) throws -> [Value] {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    guard parts.count == ranks else {
      throw InputError(
        "\(option) \(InputError.excerpt(text)): \(parts.count) numbers, needed is one for each of "
          + "\(ranks) ranks")
    }
    return try parts.map { part in
      guard let value = value(String(part)) else {
        throw InputError(
          "\(option): \"\(InputError.excerpt(part))\", accepted are \(accepted)")
      }
      return value
    }
  }
}
