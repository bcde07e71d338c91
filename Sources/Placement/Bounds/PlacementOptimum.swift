// SPDX-License-Identifier: Apache-2.0
// epsim: the smallest largest rank load of a small layer, by branch and bound.

/// The best placement of one layer where replicas share an expert's load evenly, or how far it may
/// be away.
///
/// Replica counts are tried first, those of ``ExpertReplication`` before all others, then the ranks
/// of every replica: heavy ones first, ranks in the same state once, replicas of an expert on
/// rising ranks. Exact for a dozen experts; beyond that the search stops after a number of nodes,
/// and the gap says what is open.
public struct PlacementOptimum: Sendable, Equatable {
  /// The smallest largest load that was found.
  public let largestLoad: Double
  /// No placement is below.
  public let bound: Double
  /// [P] the expert in each slot of the placement that was found.
  public let expertOfSlot: [Int32]

  /// Whether nothing better exists.
  public var isProven: Bool { largestLoad <= bound }
  /// (largest load - bound) / bound; 0 without load.
  public var gap: Double { bound > 0 ? max(0, largestLoad - bound) / bound : 0 }

  /// Searches.
  ///
  /// - Parameters:
  ///   - loads: [E] loads of the layer.
  ///   - slotsPerRank: [R] slots; at least E together.
  ///   - isDistinct: whether two replicas of an expert must lie on different ranks.
  ///   - nodeLimit: steps of the search, after which it stops.
  /// - Returns: nil where no placement fits: fewer slots than experts, or, with `isDistinct`, slots
  ///   that distinct experts cannot fill.
  public init?(
    loads: [Int], slotsPerRank: [Int], isDistinct: Bool = true, nodeLimit: Int = 10_000_000
  ) {
    let slotCount = slotsPerRank.reduce(0, +)
    guard !loads.isEmpty, slotCount >= loads.count,
      !isDistinct || slotsPerRank.allSatisfy({ $0 <= loads.count })
    else { return nil }
    let offsets = slotsPerRank.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    let root = LoadBound(loads: loads, slotOffsets: offsets).value
    var search = PlacementSearch(
      loads: loads, room: slotsPerRank, isDistinct: isDistinct, bound: root, nodeLimit: nodeLimit)
    search.tryCounts(
      ExpertReplication(loads: loads.map { Double($0) }, replicaCount: slotCount).replicaCounts)
    search.chooseCounts(at: 0, extra: slotCount - loads.count)
    guard let best = search.best else { return nil }
    largestLoad = search.bestLoad
    bound = search.isComplete ? search.bestLoad : root
    expertOfSlot = best
  }
}

/// The state of the search.
private struct PlacementSearch {
  private let loads: [Double]
  /// Experts by falling load.
  private let order: [Int]
  private let isDistinct: Bool
  private let bound: Double
  private var nodesLeft: Int
  private let mostCopies: Int

  private var counts: [Int]
  private var room: [Int]
  private var sums: [Double]
  private var held: [[Int32]]

  private(set) var bestLoad = Double.infinity
  private(set) var best: [Int32]?

  /// Whether nothing was left out.
  var isComplete: Bool { nodesLeft > 0 || bestLoad <= bound }

  init(loads: [Int], room: [Int], isDistinct: Bool, bound: Double, nodeLimit: Int) {
    self.loads = loads.map { Double($0) }
    order = loads.indices.sorted { (-loads[$0], $0) < (-loads[$1], $1) }
    self.isDistinct = isDistinct
    self.bound = bound
    nodesLeft = nodeLimit
    mostCopies = isDistinct ? room.count { $0 > 0 } : .max
    counts = Array(repeating: 1, count: loads.count)
    self.room = room
    sums = Array(repeating: 0, count: room.count)
    held = Array(repeating: [], count: room.count)
  }

  private var isDone: Bool { nodesLeft <= 0 || bestLoad <= bound }

  /// Loads that are equal but for rounding are equal.
  private func isBetter(_ load: Double) -> Bool { load < bestLoad * (1 - 1e-12) }

  /// Tries these numbers of replicas, so that others have something to beat.
  mutating func tryCounts(_ given: [Int]) {
    guard given.allSatisfy({ $0 <= mostCopies }) else { return }
    counts = given
    pack(place: 0, copy: 0, after: -1, left: loads.reduce(0, +))
    counts = Array(repeating: 1, count: loads.count)
  }

  /// Tries all numbers of replicas of the experts from a place of the order on.
  mutating func chooseCounts(at place: Int, extra: Int) {
    nodesLeft -= 1
    guard !isDone else { return }
    guard place < order.count else {
      if extra == 0 { pack(place: 0, copy: 0, after: -1, left: loads.reduce(0, +)) }
      return
    }
    let expert = order[place]
    let isLast = place == order.count - 1
    for more in (isLast ? extra : 0)...max(isLast ? extra : 0, extra) {
      guard more < mostCopies else { break }
      counts[expert] = 1 + more
      if isBetter(loads[expert] / Double(1 + more)) {
        chooseCounts(at: place + 1, extra: extra - more)
      }
    }
    counts[expert] = 1
  }

  /// Places the copies that are left; `left` is their load.
  private mutating func pack(place: Int, copy: Int, after: Int, left: Double) {
    nodesLeft -= 1
    guard !isDone else { return }
    guard place < order.count else {
      bestLoad = sums.max() ?? 0
      best = held.flatMap { $0 }
      return
    }
    // What still fits below the best load.
    var space = 0.0
    for rank in room.indices where room[rank] > 0 { space += max(0, bestLoad - sums[rank]) }
    guard left < space || left == 0 else { return }
    let expert = order[place]
    let share = loads[expert] / Double(counts[expert])
    let isLastCopy = copy + 1 == counts[expert]
    let first = isDistinct || after < 0 ? after + 1 : after
    for rank in first..<max(first, room.count)
    where room[rank] > 0 && isBetter(sums[rank] + share) && !hasTwin(rank, from: first) {
      let before = sums[rank]
      sums[rank] += share
      room[rank] -= 1
      held[rank].append(Int32(expert))
      pack(
        place: isLastCopy ? place + 1 : place, copy: isLastCopy ? 0 : copy + 1,
        after: isLastCopy ? -1 : rank, left: max(0, left - share))
      held[rank].removeLast()
      room[rank] += 1
      sums[rank] = before
      guard !isDone else { return }
    }
  }

  /// Whether a rank that was tried before is in the same state.
  private func hasTwin(_ rank: Int, from first: Int) -> Bool {
    (first..<rank).contains { room[$0] == room[rank] && sums[$0] == sums[rank] }
  }
}
