// SPDX-License-Identifier: Apache-2.0
// epsim: a placement of one layer made better, change by change.

internal import CostModel
internal import Foundation
internal import Workloads

/// Descent and simulated annealing on the time of a layer.
///
/// A proposal lets two slots of different ranks change places, or gives a slot of an expert with
/// several to another expert; none may put two replicas of an expert on a rank. It is accepted with
/// probability min(1, exp(-d / T)): d what it adds to the time, T falling by a constant factor per
/// sweep from the mean change of some proposals to a thousandth of it. The best placement on the way
/// is kept. Descent tries every pair of slots, and every expert in every slot, until none gains.
/// The number of proposals is fixed; a deadline can only cut it short.
struct LocalSearch {
  private(set) var cost: WindowCost
  /// The best placement so far.
  private(set) var best: State
  private let evaluate: (State) -> WindowCost
  private var draws: RandomDraws
  private let rankCount: Int
  private let expertCount: Int
  /// [E]
  private var replicas: [Int]
  /// [R, E] slots of each rank that hold each expert.
  private var held: [Int]

  /// A placement with its time.
  struct State {
    /// [S]
    var expertOfSlot: [Int32]
    /// [S]
    var rankOfSlot: [Int]
    var time: Seconds

    /// [P] expert in each slot, rank by rank, ascending within one.
    var experts: [Int32] {
      rankOfSlot.indices.sorted {
        (rankOfSlot[$0], expertOfSlot[$0], $0) < (rankOfSlot[$1], expertOfSlot[$1], $1)
      }.map { expertOfSlot[$0] }
    }
  }

  /// A change of the placement.
  private enum Change {
    case swap(Int, Int)
    case hold(expert: Int, slot: Int)
  }

  /// - Parameters:
  ///   - evaluate: the cost of a placement, from the start.
  ///   - key: of the random draws; each layer has a sequence with a number of its own.
  init(
    _ start: State, expertCount: Int, rankCount: Int, key: UInt64, number: Int,
    evaluate: @escaping (State) -> WindowCost
  ) {
    self.evaluate = evaluate
    (self.expertCount, self.rankCount) = (expertCount, rankCount)
    cost = evaluate(start)
    best = start
    best.time = cost.time
    draws = RandomDraws(key: key, number: number)
    (replicas, held) = ([], [])
    count()
  }

  private mutating func count() {
    replicas = Array(repeating: 0, count: expertCount)
    held = Array(repeating: 0, count: rankCount * expertCount)
    for (slot, rank) in cost.rankOfSlot.enumerated() {
      replicas[Int(cost.expertOfSlot[slot])] += 1
      held[rank * expertCount + Int(cost.expertOfSlot[slot])] += 1
    }
  }

  /// Sweeps of as many proposals as half of all (slot, rank) pairs.
  mutating func anneal(sweeps: Int, until isOver: () -> Bool) {
    let slots = cost.rankOfSlot.count
    guard sweeps > 0, slots > 1, rankCount > 1 else { return }
    var temperature = typicalChange()
    guard temperature > 0 else { return }
    let cooling = exp2(-10.0 / Double(sweeps))
    for _ in 0..<sweeps {
      for number in 0..<(slots * rankCount + 1) / 2 {
        if number % 256 == 0, isOver() { return }
        guard let change = proposal() else { continue }
        let added = (time(of: change) - cost.time).value
        if added > 0, draws.unit() >= exp(-added / temperature) { continue }
        apply(change)
        keepBest()
      }
      temperature *= cooling
    }
  }

  /// Takes every change that gains, in the order of slots, until none does or after so many rounds.
  mutating func descend(rounds: Int, until isOver: () -> Bool) {
    cost = evaluate(best)
    count()
    defer { keepBest() }
    for _ in 0..<rounds {
      let before = cost.time
      for first in cost.rankOfSlot.indices {
        if isOver() { return }
        for second in cost.rankOfSlot.indices.dropFirst(first + 1) where fits(first, second) {
          attempt(.swap(first, second))
        }
        for expert in 0..<expertCount where fits(expert: expert, slot: first) {
          attempt(.hold(expert: expert, slot: first))
        }
      }
      if !(cost.time < before) { return }
    }
  }

  private mutating func attempt(_ change: Change) {
    if time(of: change) < cost.time { apply(change) }
  }

  /// Half of the mean of what some proposals change the time by.
  private mutating func typicalChange() -> Double {
    var (sum, count) = (0.0, 0.0)
    for _ in 0..<64 {
      guard let change = proposal() else { continue }
      sum += abs((time(of: change) - cost.time).value)
      count += 1
    }
    return count > 0 ? 0.5 * sum / count : 0
  }

  private mutating func proposal() -> Change? {
    let slots = cost.rankOfSlot.count
    let slot = draws.below(slots)
    if slots > expertCount, draws.below(4) == 0 {
      let expert = draws.below(expertCount)
      return fits(expert: expert, slot: slot)
        ? .hold(expert: expert, slot: slot) : nil
    }
    let other = draws.below(slots)
    return fits(slot, other) ? .swap(slot, other) : nil
  }

  /// Whether a swap changes anything and leaves the replicas of an expert on different ranks.
  private func fits(_ slot: Int, _ other: Int) -> Bool {
    let (home, goal) = (cost.rankOfSlot[slot], cost.rankOfSlot[other])
    let (expert, partner) = (Int(cost.expertOfSlot[slot]), Int(cost.expertOfSlot[other]))
    return home != goal && expert != partner && held[goal * expertCount + expert] == 0
      && held[home * expertCount + partner] == 0
  }

  private func fits(expert: Int, slot: Int) -> Bool {
    let leaving = Int(cost.expertOfSlot[slot])
    return replicas[leaving] > 1 && leaving != expert
      && held[cost.rankOfSlot[slot] * expertCount + expert] == 0
  }

  private mutating func time(of change: Change) -> Seconds {
    switch change {
    case .swap(let slot, let other): cost.time(swapping: slot, with: other)
    case .hold(let expert, let slot): cost.time(holding: expert, in: slot)
    }
  }

  private mutating func apply(_ change: Change) {
    switch change {
    case .swap(let slot, let other):
      let (home, goal) = (cost.rankOfSlot[slot], cost.rankOfSlot[other])
      let (expert, partner) = (Int(cost.expertOfSlot[slot]), Int(cost.expertOfSlot[other]))
      held[home * expertCount + expert] -= 1
      held[goal * expertCount + expert] += 1
      held[goal * expertCount + partner] -= 1
      held[home * expertCount + partner] += 1
      cost.swap(slot: slot, with: other)
    case .hold(let expert, let slot):
      let (rank, leaving) = (cost.rankOfSlot[slot], Int(cost.expertOfSlot[slot]))
      held[rank * expertCount + leaving] -= 1
      held[rank * expertCount + expert] += 1
      replicas[leaving] -= 1
      replicas[expert] += 1
      cost.hold(expert, in: slot)
    }
  }

  private mutating func keepBest() {
    guard cost.time < best.time else { return }
    best = State(
      expertOfSlot: cost.expertOfSlot, rankOfSlot: cost.rankOfSlot, time: cost.time)
  }
}
