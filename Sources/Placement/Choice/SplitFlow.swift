// SPDX-License-Identifier: Apache-2.0
// epsim: assignments moved between copies until no rank has more than a limit.

/// A flow of assignments to the ranks that host their experts, with as little on the fullest rank
/// as possible and, for that, the fewest copies that leave their class.
///
/// Assignments come in classes (their source nodes, or a single one). The flow starts with every
/// class at its cheapest hosts and moves what is too much along shortest paths of ranks: min-cost
/// flow by successive shortest paths from a pseudo-flow that satisfies the optimality conditions,
/// with blocking flows among paths of equal length (Ahuja, Magnanti, Orlin, "Network Flows", 9.7
/// and 9.8). Nothing is allocated after `init`.
struct SplitFlow: Sendable {
  let hosts: ReplicaHosts
  /// G.
  let classCount: Int
  /// [G, hosts] assignments of each class that each host serves.
  var shares: [Int]
  /// [R] assignments on each rank.
  var loads: [Int]

  /// [G, R] what an assignment of a class costs on a rank: 0 or 1.
  let costs: [Int]
  /// A path's length counts ranks in its low bits, its cost above them.
  let costShift: Int
  /// [R] length of the shortest path from a rank with too much; `unreached` where there is none.
  var lengths: [Int]
  /// Ranks whose neighbours are to be looked at, a ring of R + 1.
  var queue: [Int]
  var isQueued: [Bool]
  /// [R] the next arc to try: place among the rank's hosts, class, other host of the expert.
  var arcs: [SplitArc]
  /// Ranks from one with too much, and the arcs between them.
  var path: [Int]
  var pathArcs: [SplitArc]

  static let unreached = Int.max

  /// - Parameter costs: [G, R] 1 where a rank is not where the class comes from.
  init(hosts: ReplicaHosts, classCount: Int, costs: [Int]) {
    self.hosts = hosts
    self.classCount = classCount
    self.costs = costs
    let ranks = hosts.rankCount
    shares = Array(repeating: 0, count: classCount * hosts.count)
    loads = Array(repeating: 0, count: ranks)
    costShift = Int.bitWidth - ranks.leadingZeroBitCount
    lengths = Array(repeating: 0, count: ranks)
    queue = Array(repeating: 0, count: ranks + 1)
    isQueued = Array(repeating: false, count: ranks)
    arcs = Array(repeating: SplitArc(), count: ranks)
    path = Array(repeating: 0, count: ranks + 1)
    pathArcs = Array(repeating: SplitArc(), count: ranks + 1)
  }

  /// Takes everything back.
  mutating func clear() {
    for index in shares.indices { shares[index] = 0 }
    for rank in loads.indices { loads[rank] = 0 }
  }

  /// Puts some assignments of a class on a host.
  mutating func add(_ count: Int, ofClass group: Int, to host: Int) {
    shares[group * hosts.count + host] += count
    loads[hosts.ranks[host]] += count
  }

  /// Deals assignments of a class evenly to its cheapest hosts, the first get what is left over.
  mutating func deal(_ count: Int, ofClass group: Int, expert: Int) {
    guard count > 0 else { return }
    let range = hosts.hosts(of: expert)
    var (cheapest, cheap) = (Int.max, 0)
    for host in range {
      let cost = costs[group * hosts.rankCount + hosts.ranks[host]]
      if cost < cheapest { (cheapest, cheap) = (cost, 0) }
      if cost == cheapest { cheap += 1 }
    }
    let (each, more) = count.quotientAndRemainder(dividingBy: cheap)
    var dealt = 0
    for host in range where costs[group * hosts.rankCount + hosts.ranks[host]] == cheapest {
      add(each + (dealt < more ? 1 : 0), ofClass: group, to: host)
      dealt += 1
    }
  }

  /// Lowers the load of the fullest rank as far as whole assignments allow.
  ///
  /// Every limit that cannot be kept shows a set of ranks whose own experts alone exceed it: their
  /// mean is the next limit (Dinkelbach's method), and a bound for every split.
  /// - Returns: the load of the fullest rank, the smallest possible.
  mutating func minimiseLargest() -> Int {
    var sum = 0
    for load in loads { sum += load }
    var limit = (sum + loads.count - 1) / loads.count
    while let stuck = lower(to: limit) {
      limit = (stuck.load + stuck.ranks - 1) / stuck.ranks
    }
    return limit
  }
}

/// An arc from rank to rank: assignments of a class and an expert that another host could serve.
struct SplitArc: Sendable {
  /// Place of the host in ``ReplicaHosts/ofRank``.
  var place = 0
  var group = 0
  /// The host that would serve them, counted over all experts.
  var target = 0
}
