// SPDX-License-Identifier: Apache-2.0
// epsim: ranks of a cluster that differ from the others.

internal import MoE

/// Ranks or nodes with another rank type, or another speed.
struct RankGroup: Sendable, Equatable {
  let name: String
  /// Whether ``indices`` are nodes; else ranks.
  let isOfNodes: Bool
  /// Ascending, without overlap.
  let indices: [ClosedRange<Int>]
  /// The key of its rank type.
  let rankType: String

  func contains(_ index: Int) -> Bool { indices.contains { $0.contains(index) } }

  /// The groups of a profile.
  /// - Throws: ``InputError`` for a list that cannot be read, an unknown rank type, and ranks that
  ///   are in two groups.
  static func all(_ draft: ProfileDraft, place: String) throws -> [RankGroup] {
    let groups = try (draft.names["groups"] ?? []).map {
      try group($0, draft, place: place)
    }
    let ranksPerNode = Int(draft.value("ranks_per_node")?.value ?? 1)
    let ranges = groups.flatMap { group in
      group.indices.map { range in
        let width = group.isOfNodes ? ranksPerNode : 1
        return (
          range: range.lowerBound * width...range.upperBound * width + width - 1, name: group.name
        )
      }
    }.sorted { $0.range.lowerBound < $1.range.lowerBound }
    for (left, right) in zip(ranges, ranges.dropFirst())
    where left.range.upperBound >= right.range.lowerBound {
      throw InputError(
        left.name == right.name
          ? "\(place): groups.\(left.name) names rank \(right.range.lowerBound) twice, accepted is once"
          : "\(place): rank \(right.range.lowerBound) is in groups.\(left.name) and in "
            + "groups.\(right.name), accepted is one group for a rank")
    }
    return groups
  }

  private static func group(_ name: String, _ draft: ProfileDraft, place: String) throws
    -> RankGroup
  {
    let key = "groups.\(name)"
    let (nodes, ranks) = (draft.text("\(key).nodes"), draft.text("\(key).ranks"))
    guard (nodes == nil) != (ranks == nil), let list = nodes ?? ranks else {
      throw InputError(
        "\(place): \(key) has \(nodes == nil ? "neither" : "both") nodes "
          + "\(nodes == nil ? "nor" : "and") ranks, accepted is one of them, such as nodes: 0, 4..7"
      )
    }
    let type = draft.text("\(key).rank")
    guard type != nil || draft.has("\(key).speed") else {
      throw InputError("\(place): \(key) differs in nothing, accepted are rank and speed")
    }
    if let type, !(draft.names["other_ranks"]?.contains(type) ?? false) {
      let known = (draft.names["other_ranks"] ?? []).joined(separator: ", ")
      throw InputError(
        "\(place): \(key).rank is \(InputError.excerpt(type)), accepted is a name of other_ranks"
          + (known.isEmpty ? ", which is missing" : ": \(known)"))
    }
    return RankGroup(
      name: name, isOfNodes: nodes != nil,
      indices: try indices(
        list, key: "\(key).\(nodes == nil ? "ranks" : "nodes")", place: place),
      rankType: type.map { "other_ranks.\($0)" } ?? "rank")
  }

  /// Reads `0, 4..7`.
  private static func indices(_ list: String, key: String, place: String) throws
    -> [ClosedRange<Int>]
  {
    func problem(_ part: some StringProtocol) -> InputError {
      InputError(
        "\(place): \(key) is \(part.isEmpty ? "empty" : InputError.excerpt(part)), accepted are "
          + "numbers from 0 to \(largest) and ranges of them, such as 0, 4..7")
    }
    return try list.split(separator: ",", omittingEmptySubsequences: false).map { part in
      let ends = part.replacing(" ", with: "").replacing("..", with: ":")
        .split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
      guard (1...2).contains(ends.count), let low = ends[0], let high = ends[ends.count - 1],
        low >= 0, low <= high, high <= largest
      else { throw problem(part) }
      return low...high
    }
  }

  private static let largest = 1_048_575
}
