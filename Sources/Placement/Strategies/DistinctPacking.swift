// SPDX-License-Identifier: Apache-2.0
// epsim: replicas onto ranks, never two of an expert onto one.

/// Ranks that are filled replica by replica.
///
/// A replica goes to the cheapest rank with room that lacks its expert. Where there is none, others
/// make way along a shortest chain: the expert goes to a full rank, one of whose experts goes on,
/// until a rank has room. Such a chain exists wherever all replicas together can be placed.
struct DistinctPacking {
  /// An expert that came to a rank; `from` is nil where it was on none.
  struct Move {
    var expert: Int32
    var from: Int?
    var to: Int
  }

  /// [R] slots of each rank.
  private let room: [Int]
  /// [R] experts of each rank, in the order of its slots.
  private(set) var held: [[Int32]]
  /// [E] ranks of each expert.
  private var hosts: [[Int]]
  /// [R] whether a rank holds the expert in hand; all false between calls.
  private var isHost: [Bool]

  init(room: [Int], expertCount: Int) {
    self.room = room
    held = Array(repeating: [], count: room.count)
    hosts = Array(repeating: [], count: expertCount)
    isHost = Array(repeating: false, count: room.count)
  }

  /// Places one more replica of an expert.
  ///
  /// - Parameter cost: of the replica on a rank; equally cheap ranks by rising index.
  /// - Returns: what moved, the replica first.
  mutating func place(_ expert: Int32, cost: (_ rank: Int) -> Double) -> [Move] {
    for rank in hosts[Int(expert)] { isHost[rank] = true }
    var best: (rank: Int, cost: Double)?
    for rank in room.indices where !isHost[rank] && held[rank].count < room[rank] {
      let price = cost(rank)
      if best.map({ price < $0.cost }) ?? true { best = (rank, price) }
    }
    for rank in hosts[Int(expert)] { isHost[rank] = false }
    guard let best else { return makeWay(for: expert) }
    held[best.rank].append(expert)
    hosts[Int(expert)].append(best.rank)
    return [Move(expert: expert, from: nil, to: best.rank)]
  }

  /// Moves experts along a shortest chain, lower ranks and slots first.
  private mutating func makeWay(for expert: Int32) -> [Move] {
    /// How a rank was reached: from slot `slot` of rank `from`, or from the new replica.
    struct Step {
      var from: Int
      var slot: Int
    }
    var reached: [Int: Step] = [:]
    var queue: [Int] = []
    for rank in room.indices where room[rank] > 0 && !hosts[Int(expert)].contains(rank) {
      reached[rank] = Step(from: -1, slot: 0)
      queue.append(rank)
    }
    var next = 0
    while next < queue.count, held[queue[next]].count == room[queue[next]] {
      let full = queue[next]
      next += 1
      for (slot, other) in held[full].enumerated() {
        for rank in room.indices
        where room[rank] > 0 && reached[rank] == nil && !hosts[Int(other)].contains(rank) {
          reached[rank] = Step(from: full, slot: slot)
          queue.append(rank)
        }
      }
    }
    precondition(next < queue.count, "replicas of \(hosts.count) experts do not fit \(room) slots")
    // Back from the rank with room: each expert of the chain leaves its slot to the one before.
    var moves: [Move] = []
    var rank = queue[next]
    held[rank].append(expert)
    var slot = held[rank].count - 1
    while let step = reached[rank], step.from >= 0 {
      let other = held[step.from][step.slot]
      held[rank][slot] = other
      hosts[Int(other)].removeAll { $0 == step.from }
      hosts[Int(other)].append(rank)
      moves.append(Move(expert: other, from: step.from, to: rank))
      (rank, slot) = (step.from, step.slot)
      held[rank][slot] = expert
    }
    hosts[Int(expert)].append(rank)
    moves.append(Move(expert: expert, from: nil, to: rank))
    return moves.reversed()
  }
}
