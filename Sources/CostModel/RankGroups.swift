// SPDX-License-Identifier: Apache-2.0
// epsim: the ranks of every node, of every leaf.

/// Ranks (or places in a list of ranks) by the group that they belong to.
struct RankGroups: Sendable, Equatable {
  /// [G + 1] where the ranks of each group begin.
  let offsets: [Int]
  /// [R] ranks by group, ascending within one.
  let ranks: [Int]
  /// [R] place of each rank among those of its group.
  let places: [Int]

  /// - Precondition: groups are 0 ..< count.
  init(groupOfRank: [Int], count: Int) {
    var sizes = Array(repeating: 0, count: count)
    places = groupOfRank.map { group in
      defer { sizes[group] += 1 }
      return sizes[group]
    }
    var offsets = [0]
    for size in sizes { offsets.append(offsets.last! + size) }
    var ranks = Array(repeating: 0, count: groupOfRank.count)
    for (rank, group) in groupOfRank.enumerated() { ranks[offsets[group] + places[rank]] = rank }
    self.offsets = offsets
    self.ranks = ranks
  }

  /// The ranks of a group, ascending.
  subscript(group: Int) -> ArraySlice<Int> { ranks[offsets[group]..<offsets[group + 1]] }

  /// How many ranks a group has.
  func size(_ group: Int) -> Int { offsets[group + 1] - offsets[group] }
}
