// SPDX-License-Identifier: Apache-2.0
// epsim: experts in groups that tokens choose together.

internal import Workloads

/// Groups of experts with much affinity inside: tokens that choose both experts of a pair.
///
/// Each group grows from the expert with the most affinity to those that are left; then experts
/// change groups or places, the best change first, while that adds affinity inside groups. Ties: the
/// lower expert, the lower group.
struct CoactivationGroups {
  /// [E, E] tokens that choose both.
  let affinity: [Int]
  let expertCount: Int

  init(_ windows: [RoutingBundles]) {
    let experts = windows[0].expertCount
    var affinity = Array(repeating: 0, count: experts * experts)
    for bundles in windows {
      for bundle in 0..<bundles.count {
        let (chosen, tokens) = (
          bundles.experts(ofBundle: bundle), Int(bundles.multiplicities[bundle])
        )
        for first in chosen {
          for second in chosen where first != second {
            affinity[Int(first) * experts + Int(second)] += tokens
          }
        }
      }
    }
    (self.affinity, expertCount) = (affinity, experts)
  }

  /// Sorts some experts into groups.
  ///
  /// - Parameters:
  ///   - sizes: [groups] fewest and most experts.
  /// - Returns: [groups] experts.
  /// - Precondition: the sizes have room for the members.
  func groups(of members: [Int], sizes: [ClosedRange<Int>]) -> [[Int]] {
    var group = grown(members, sizes)
    while let change = bestChange(members, group, sizes) {
      if let other = change.other {
        (group[change.expert], group[other]) = (group[other]!, group[change.expert]!)
      } else {
        group[change.expert] = change.group
      }
    }
    return sizes.indices.map { number in members.filter { group[$0] == number } }
  }

  /// Groups of about even sizes.
  private func grown(_ members: [Int], _ sizes: [ClosedRange<Int>]) -> [Int: Int] {
    var (group, left) = ([Int: Int](), members)
    let room = sizes.map(\.upperBound)
    for number in sizes.indices {
      let rest = room[number...].reduce(0, +)
      let wanted = rest == 0 ? 0 : (left.count * room[number] + rest - 1) / rest
      var pull = left.map { expert in left.reduce(0) { $0 + weight(expert, $1) } }
      for taken in 0..<min(wanted, left.count) {
        let best = pull.indices.max { (pull[$0], left[$1]) < (pull[$1], left[$0]) }!
        let expert = left.remove(at: best)
        group[expert] = number
        pull.remove(at: best)
        if taken == 0 {
          pull = left.map { weight(expert, $0) }
        } else {
          for index in left.indices { pull[index] += weight(expert, left[index]) }
        }
      }
    }
    return group
  }

  private func bestChange(
    _ members: [Int], _ group: [Int: Int], _ sizes: [ClosedRange<Int>]
  ) -> (expert: Int, group: Int, other: Int?)? {
    let home = members.map { group[$0]! }
    var held = sizes.map { _ in 0 }
    for number in home { held[number] += 1 }
    var near = Array(repeating: 0, count: members.count * sizes.count)
    for (index, expert) in members.enumerated() {
      for (other, number) in zip(members, home) {
        near[index * sizes.count + number] += weight(expert, other)
      }
    }
    var best: (expert: Int, group: Int, other: Int?)?
    var bestGain = 0
    for (index, expert) in members.enumerated() {
      let (own, row) = (home[index], index * sizes.count)
      if held[own] > sizes[own].lowerBound {
        for goal in sizes.indices where goal != own && held[goal] < sizes[goal].upperBound {
          let gain = near[row + goal] - near[row + own]
          if gain > bestGain { (best, bestGain) = ((expert, goal, nil), gain) }
        }
      }
      for other in index + 1..<max(index + 1, members.count) where home[other] != own {
        let (goal, far) = (home[other], other * sizes.count)
        let gain =
          near[row + goal] - near[row + own] + near[far + own] - near[far + goal]
          - 2 * weight(expert, members[other])
        if gain > bestGain { (best, bestGain) = ((expert, goal, members[other]), gain) }
      }
    }
    return best
  }

  private func weight(_ first: Int, _ second: Int) -> Int { affinity[first * expertCount + second] }
}
