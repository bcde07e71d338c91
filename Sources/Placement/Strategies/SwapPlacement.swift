// SPDX-License-Identifier: Apache-2.0
// epsim: the placement of the moment, bettered by few moves.

internal import CostModel
internal import Workloads

/// Keeps each expert where it stands, fills the slots of the other replicas anew, then swaps experts
/// of the most loaded rank, with at most one expert sent from one rank to another.
///
/// A layer stays as it is where its largest load is within 1 % of the mean, or would not fall. A
/// swap must lower the largest load by 1 % of the mean. Loads are shared evenly by replicas and
/// divided by the ranks' speeds; equal choices by rising rank and slot.
/// Source: github.com/vllm-project/vllm-ascend, the swift balancer.
public struct SwapPlacement: PlacementStrategy {
  /// The largest load over the mean at which nothing is done, and the least gain of a swap.
  static let leastGain = 0.01

  /// The most swaps in a layer.
  public let swapLimit: Int

  public init(swapLimit: Int) {
    self.swapLimit = swapLimit
  }

  public func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement {
    let current = try problem.requireCurrent(for: name)
    let load = problem.load
    return try ExpertPlacement(
      name: name, layers: load.layers, expertCount: load.expertCount,
      slotOffsets: current.slotOffsets,
      physicalToLogical: load.layers.indices.map { row in
        let old = current.physicalToLogical[row]
        let start = SwapState(
          slots: old, placement: current, loads: load.row(row).map { Double($0) },
          speeds: problem.speeds)
        let mean = start.meanTime
        guard start.largestTime > mean * (1 + Self.leastGain) else { return old }
        var best = start
        if let refilled = start.refilled(), refilled.largestTime < start.largestTime {
          best = refilled
        }
        for _ in 0..<swapLimit {
          guard best.swapBestPair(leastGain: Self.leastGain * mean) else { break }
        }
        return best.slots
      })
  }
}

/// A layer on its way to better balance.
struct SwapState {
  /// [P] expert of each slot.
  private(set) var slots: [Int32]
  private let loads: [Double]
  private let speeds: [Double]
  private let rankOfSlot: [Int32]
  private let slotOffsets: [Int]
  /// [E] replicas of each expert.
  private var counts: [Int]
  /// [R] load of each rank.
  private var sums: [Double]
  /// Ranks that an expert has gone between, as from * R + to.
  private var used: Set<Int> = []
  /// Slots whose expert has come from another rank; it does not travel on.
  private var isNew: [Bool]

  init(slots: [Int32], placement: ExpertPlacement, loads: [Double], speeds: [Double]) {
    self.slots = slots
    self.loads = loads
    self.speeds = speeds
    rankOfSlot = placement.rankOfSlot
    slotOffsets = placement.slotOffsets
    counts = []
    sums = []
    isNew = Array(repeating: false, count: slots.count)
    recount()
  }

  private var rankCount: Int { speeds.count }
  private var times: [Double] { zip(sums, speeds).map { $0 / $1 } }
  /// The time of the rank that is done last.
  var largestTime: Double { times.max() ?? 0 }
  /// The time of every rank if all were done at once.
  var meanTime: Double { loads.reduce(0, +) / speeds.reduce(0, +) }

  private mutating func recount() {
    counts = Array(repeating: 0, count: loads.count)
    for expert in slots { counts[Int(expert)] += 1 }
    sums = Array(repeating: 0, count: speeds.count)
    for (slot, expert) in slots.enumerated() { sums[Int(rankOfSlot[slot])] += share(expert) }
  }

  private func share(_ expert: Int32) -> Double {
    loads[Int(expert)] / Double(counts[Int(expert)])
  }

  private func slots(ofRank rank: Int) -> Range<Int> { slotOffsets[rank]..<slotOffsets[rank + 1] }

  private func holds(_ expert: Int32, rank: Int) -> Bool {
    slots[slots(ofRank: rank)].contains(expert)
  }

  /// The layer with all slots but the first of each expert filled anew: heavy replicas first, each
  /// onto the rank that would be done with it first; nil where an expert finds no rank.
  func refilled() -> SwapState? {
    var isFirst = Array(repeating: false, count: slots.count)
    var home = Array(repeating: -1, count: loads.count)
    for (slot, expert) in slots.enumerated() where home[Int(expert)] < 0 {
      home[Int(expert)] = Int(rankOfSlot[slot])
      isFirst[slot] = true
    }
    let replication = ExpertReplication(loads: loads, replicaCount: slots.count)
    guard replication.replicaCounts != counts else { return nil }
    var next = self
    next.counts = replication.replicaCounts
    next.sums = Array(repeating: 0, count: speeds.count)
    var held = Array(repeating: Set<Int32>(), count: rankCount)
    var open = Array(repeating: [Int](), count: rankCount)
    for (slot, expert) in slots.enumerated() {
      let rank = Int(rankOfSlot[slot])
      if isFirst[slot] {
        held[rank].insert(expert)
        next.sums[rank] += next.share(expert)
      } else {
        open[rank].append(slot)
      }
    }
    let extra = replication.expertOfReplica.dropFirst(loads.count).sorted {
      (next.share($0), $1) > (next.share($1), $0)
    }
    for expert in extra {
      var best: (rank: Int, time: Double)?
      for rank in 0..<rankCount where !open[rank].isEmpty && !held[rank].contains(expert) {
        let isThere = holds(expert, rank: rank)
        guard isThere || !next.used.contains(home[Int(expert)] * rankCount + rank) else { continue }
        let time = (next.sums[rank] + next.share(expert)) / speeds[rank]
        if best.map({ time < $0.time }) ?? true { best = (rank, time) }
      }
      guard let rank = best?.rank else { return nil }
      // What stays keeps its slot where that is still free.
      let place = open[rank].firstIndex { slots[$0] == expert } ?? 0
      let slot = open[rank].remove(at: place)
      next.slots[slot] = expert
      next.sums[rank] += next.share(expert)
      held[rank].insert(expert)
      if !holds(expert, rank: rank) {
        next.used.insert(home[Int(expert)] * rankCount + rank)
        next.isNew[slot] = true
      }
    }
    return next
  }

  /// Swaps the two experts that lower the most loaded rank most, as far as the other allows.
  ///
  /// - Returns: whether any swap gains as much.
  mutating func swapBestPair(leastGain: Double) -> Bool {
    let times = times
    guard let largest = times.max(), let worst = times.firstIndex(of: largest) else { return false }
    var best: (slot: Int, other: Int, time: Double)?
    for rank in 0..<rankCount where rank != worst {
      if used.contains(worst * rankCount + rank) || used.contains(rank * rankCount + worst) {
        continue
      }
      for slot in slots(ofRank: worst) where !isNew[slot] && !holds(slots[slot], rank: rank) {
        for other in slots(ofRank: rank) where !isNew[other] {
          let difference = share(slots[slot]) - share(slots[other])
          guard difference > 0 else { continue }
          let time = max(
            (sums[worst] - difference) / speeds[worst], (sums[rank] + difference) / speeds[rank])
          guard time < best?.time ?? (largest - leastGain).nextUp,
            !holds(slots[other], rank: worst)
          else { continue }
          best = (slot, other, time)
        }
      }
    }
    guard let (slot, other, _) = best else { return false }
    let rank = Int(rankOfSlot[other])
    let difference = share(slots[slot]) - share(slots[other])
    sums[worst] -= difference
    sums[rank] += difference
    slots.swapAt(slot, other)
    (isNew[slot], isNew[other]) = (true, true)
    used.formUnion([worst * rankCount + rank, rank * rankCount + worst])
    return true
  }
}
