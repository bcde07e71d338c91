// SPDX-License-Identifier: Apache-2.0
// epsim: a cluster that a projection is made for.

internal import MoE

/// A cluster: what its ranks compute, what its links carry, who shares what; each number with where
/// it comes from.
///
/// Read from `clusters/NAME.yaml`, or put together by a ``ProfileDraft``; what it states was checked
/// number by number and against each other.
public struct ClusterProfile: Sendable, Equatable {
  /// All that the profile states, for changes and for ``ProfileDraft/yaml``.
  public private(set) var draft: ProfileDraft
  /// Groups of ranks that differ from the others.
  let groups: [RankGroup]

  /// Reads the text of a profile.
  /// - Parameter place: what an error message calls the file.
  /// - Throws: ``InputError`` that names the file, the key and what is accepted.
  public init(yaml text: String, place: String) throws {
    draft = try ProfileReader(yaml: text, place: place).draft
    groups = try RankGroup.all(draft, place: place)
    try draft.check(place: place)
  }

  /// The profile of a draft, checked as if it had been read from a file.
  /// - Throws: ``InputError`` that names the key and what is accepted.
  public init(_ draft: ProfileDraft, place: String) throws {
    try self.init(yaml: draft.yaml, place: place)
  }

  /// What the profile calls itself.
  public var name: String { draft.text("name") ?? "" }
  /// One sentence on what it is a profile of.
  public var about: String { draft.text("about") ?? "" }
  /// Every number with its key, provenance and source.
  public var values: [ProfileValue] { draft.values }
  /// The profile as a file.
  public var yaml: String { draft.yaml }

  /// Ranks of a node (a host).
  public var ranksPerNode: Int { count("ranks_per_node") ?? 1 }
  /// Ranks that the level inside joins: a node, or several nodes of one NVLink domain.
  public var ranksPerDomain: Int { count("domain") ?? ranksPerNode }

  /// Costs and limits that the profile does not state, by key: nothing is charged for them.
  public var unstated: [String] {
    let ranks = rankTypes.flatMap { type in
      ["fixed", "per_expert", "copies", "per_assignment"].map { "\(type).\($0)" }
    }
    let network = ["fixed", "per_node_share", "overlap", "inside.total", "between.total", "leaf"]
      .map { "network.\($0)" }
    return (ranks + network).filter { !draft.has($0) }
  }

  /// What a number may be multiplied by at most: a change that large says all that there is to say.
  static let largestFactor = 1e6

  /// The same profile with one number multiplied: how much an answer hangs on it.
  ///
  /// The result need not make sense beside the others: a bandwidth may exceed its line rate.
  /// - Throws: ``InputError`` for a key that has no number, for a count, and for a factor that is
  ///   not above 0.
  public func scaled(_ key: String, by factor: Double) throws -> ClusterProfile {
    guard factor.isFinite, factor > 0, factor <= Self.largestFactor else {
      throw InputError("factor \(factor) for \(key) is not accepted, it must be above 0, up to 1e6")
    }
    guard let index = draft.values.firstIndex(where: { $0.key == key }) else {
      let keys = values.filter(\.isContinuous).map(\.key).joined(separator: ", ")
      throw InputError(
        "cluster \(name) has no number \(InputError.excerpt(key)), accepted are \(keys)")
    }
    guard draft.values[index].isContinuous else {
      throw InputError("\(key) of cluster \(name) is a count, accepted are numbers of any size")
    }
    var copy = self
    let value = draft.values[index].value * factor
    let dimension = draft.values[index].dimension
    copy.draft.values[index].value = value
    copy.draft.values[index].text = ProfileQuantity(value, dimension).text
    copy.draft.values[index].interval = nil
    copy.draft.values[index].intervalText = []
    return copy
  }

  /// Keys of the rank types, the usual one first.
  var rankTypes: [String] { draft.rankTypes }

  func number(_ key: String) -> Double? { draft.value(key)?.value }
  func count(_ key: String) -> Int? { number(key).map { Int($0) } }
}
