// SPDX-License-Identifier: Apache-2.0
// epsim: experts onto ranks with room at the least total cost.

/// The transportation problem of a placement: every expert on one rank, no rank over its room, the
/// sum of costs minimal.
///
/// Experts come one by one; each takes the cheapest chain of moves that ends where there is room
/// (successive shortest paths over ranks), so that the costs so far stay minimal.
/// Source: Ahuja, Magnanti, Orlin, "Network Flows", 1993, section 9.7.
enum SourceTransport {
  /// Shapes: `costs` [E, R] with sums far below 2^63; `room` [R].
  ///
  /// - Returns: [E] rank; of equally cheap chains the one that ends on the lowest rank.
  /// - Precondition: these shapes; room for all experts.
  static func assign(costs: [Int], rankCount ranks: Int, room: [Int]) -> [Int] {
    let experts = costs.count / max(1, ranks)
    precondition(
      room.count == ranks && costs.count == experts * ranks && room.reduce(0, +) >= experts,
      "\(experts) experts for room \(room)")
    var rankOfExpert = Array(repeating: -1, count: experts)
    var held = Array(repeating: [Int](), count: ranks)
    // [R, R] the cheapest move from a rank to another, and who moves.
    var step = Array(repeating: Int.max, count: ranks * ranks)
    var mover = Array(repeating: -1, count: ranks * ranks)
    func refresh(_ rank: Int) {
      for goal in 0..<ranks {
        (step[rank * ranks + goal], mover[rank * ranks + goal]) = (Int.max, -1)
      }
      for expert in held[rank] {
        for goal in 0..<ranks where goal != rank {
          let cost = costs[expert * ranks + goal] - costs[expert * ranks + rank]
          if cost < step[rank * ranks + goal] {
            (step[rank * ranks + goal], mover[rank * ranks + goal]) = (cost, expert)
          }
        }
      }
    }
    for expert in 0..<experts {
      var distance = Array(costs[expert * ranks..<(expert + 1) * ranks])
      var before = Array(repeating: -1, count: ranks)
      var isSettled = false
      while !isSettled {
        isSettled = true
        for rank in 0..<ranks {
          for goal in 0..<ranks where mover[rank * ranks + goal] >= 0 {
            let reached = distance[rank] + step[rank * ranks + goal]
            guard reached < distance[goal] else { continue }
            (distance[goal], before[goal], isSettled) = (reached, rank, false)
          }
        }
      }
      let open = (0..<ranks).filter { held[$0].count < room[$0] }
      var goal = open.min { (distance[$0], $0) < (distance[$1], $1) }!
      var changed = [goal]
      while before[goal] >= 0 {
        let rank = before[goal]
        let moved = mover[rank * ranks + goal]
        held[rank].removeAll { $0 == moved }
        held[goal].append(moved)
        rankOfExpert[moved] = goal
        goal = rank
        changed.append(rank)
      }
      held[goal].append(expert)
      rankOfExpert[expert] = goal
      for rank in changed {
        held[rank].sort()
        refresh(rank)
      }
    }
    return rankOfExpert
  }
}
