// SPDX-License-Identifier: Apache-2.0
// epsim: which experts get more than one slot where replicas must stand on different ranks.

/// Gives extra slots, one after another, to the expert with the most load per replica, as long as
/// the replicas of all experts can still stand on ranks of their own.
///
/// Counts c that fall from expert to expert can be placed exactly where, for every k, the k largest
/// of them sum to at most the sum over ranks of min(slots, k) (Gale and Ryser, 1957).
struct DistinctReplication {
  /// [P] logical expert of each replica: 0 ..< E, then the extra ones in the order of their choice.
  let expertOfReplica: [Int32]
  /// [E] replicas of each expert.
  let replicaCounts: [Int]

  /// Decides the replicas of one layer; equally heavy replicas by rising expert.
  ///
  /// - Parameters:
  ///   - loads: [E] loads, finite and not negative.
  ///   - room: slots of each rank, at most E; the sum is P, at least E.
  init(loads: [Double], room: [Int]) {
    let experts = loads.count
    let replicaCount = room.reduce(0, +)
    precondition(
      replicaCount >= experts && room.allSatisfy { $0 <= experts },
      "ranks of \(room) slots for \(experts) experts")
    var free = PrefixLimits(room: room, expertCount: experts)
    var replicas = (0..<Int32(experts)).map { $0 }
    var counts = Array(repeating: 1, count: experts)
    var lightness = KeyedHeap(loads.enumerated().lazy.map { (item: $0, key: -$1) })
    while replicas.count < replicaCount, let expert = lightness.first?.item {
      // A count that cannot grow now never can: the sums only rise.
      guard free.raise(counts[expert]) else {
        lightness.removeFirst()
        continue
      }
      replicas.append(Int32(expert))
      counts[expert] += 1
      lightness.replaceFirst(key: -loads[expert] / Double(counts[expert]))
    }
    expertOfReplica = replicas
    replicaCounts = counts
  }
}

/// The falling counts of experts, and what their sums may be.
private struct PrefixLimits {
  /// [E] counts, falling.
  private var counts: [Int]
  /// [E] sum over ranks of min(slots, k + 1), less the sum of the k + 1 largest counts.
  private var slack: [Int]

  init(room: [Int], expertCount: Int) {
    counts = Array(repeating: 1, count: expertCount)
    // Ranks with more than k slots take one more of k + 1 experts than of k.
    var ranksAbove = Array(repeating: 0, count: expertCount + 1)
    for slots in room { ranksAbove[slots] += 1 }
    for slots in stride(from: expertCount - 1, through: 0, by: -1) {
      ranksAbove[slots] += ranksAbove[slots + 1]
    }
    var sum = 0
    slack = (0..<expertCount).map { index in
      sum += ranksAbove[index + 1] - 1
      return sum
    }
  }

  /// Raises one of the counts of this value where all replicas can still be placed.
  mutating func raise(_ count: Int) -> Bool {
    // The first of equal counts grows, so that the order stays.
    var (low, high) = (0, counts.count)
    while low < high {
      let middle = (low + high) / 2
      if counts[middle] > count { low = middle + 1 } else { high = middle }
    }
    guard slack[low...].allSatisfy({ $0 >= 1 }) else { return false }
    counts[low] += 1
    for index in low..<slack.count { slack[index] -= 1 }
    return true
  }
}
