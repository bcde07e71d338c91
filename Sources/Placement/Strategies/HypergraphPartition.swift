// SPDX-License-Identifier: Apache-2.0
// epsim: experts in parts, so that few tokens need many of them.

internal import Workloads

/// A partition of experts whose nets are bundles, refined by chains of moves.
///
///     cost = sum over bundles of tokens * (parts that hold some of its experts, its source's left out)
///
/// The source is a fixed vertex of the net, so that the cost is the deduplicated remote copies
/// exactly. A pass moves every expert at most once, the best move first; a part that has one too many
/// must give one away next. The best state on the way in which all parts fit is kept.
/// Source: Fiduccia, Mattheyses, "A linear-time heuristic for improving network partitions", DAC
/// 1982, with the connectivity metric of Karypis, Kumar, "Multilevel k-way hypergraph partitioning",
/// DAC 1999.
struct HypergraphPartition {
  /// [E] part of each expert; -1 for one that takes no part.
  private(set) var partOfExpert: [Int]
  private(set) var cost = 0

  private let visits: BundleVisits
  /// [R] part of each source, -1 for one that is in none.
  private let partOfSource: [Int]
  /// [parts] most experts.
  private let room: [Int]
  /// [E] assignments.
  private let load: [Int]
  /// What no part should exceed.
  private let loadLimit: Double
  /// [B, parts] experts of each bundle in each part.
  private var counts: [UInt16]
  private var held: [Int]
  private var loads: [Int]

  /// Shapes: `partOfExpert` [E], `partOfSource` [R], `room` [parts].
  ///
  /// - Parameter band: how far above the mean a part's load may be; where it starts above that, it
  ///   may stay where it is.
  /// - Precondition: these shapes; no part holds more than it has room for.
  init(
    _ visits: BundleVisits, partOfExpert: [Int], partOfSource: [Int], room: [Int], band: Double
  ) {
    (self.visits, self.partOfExpert, self.partOfSource) = (visits, partOfExpert, partOfSource)
    self.room = room
    load = visits.load
    held = Array(repeating: 0, count: room.count)
    loads = held
    counts = Array(repeating: 0, count: visits.bundleCount * room.count)
    for (expert, part) in partOfExpert.enumerated() where part >= 0 {
      held[part] += 1
      loads[part] += load[expert]
      for visit in visits.visits[visits.range(of: expert)] {
        let cell = Int(visit.bundle) * room.count + part
        if counts[cell] == 0, partOfSource[Int(visit.source)] != part { cost += Int(visit.tokens) }
        counts[cell] += 1
      }
    }
    precondition(zip(held, room).allSatisfy { $0 <= $1 }, "\(held) experts for room \(room)")
    let mean = Double(loads.reduce(0, +)) / Double(max(1, room.count))
    loadLimit = max((1 + band) * mean, Double(loads.max() ?? 0))
  }

  /// Passes until one gains nothing.
  mutating func refine(passes: Int = 12) {
    for _ in 0..<passes where !pass() { return }
  }

  /// - Returns: whether anything was gained.
  private mutating func pass() -> Bool {
    let before = cost
    var best = (cost: cost, length: 0)
    var chain: [(expert: Int, from: Int)] = []
    var isFree = partOfExpert.map { $0 >= 0 }
    var crowded: Int?
    while let move = bestMove(isFree, crowded) {
      isFree[move.expert] = false
      chain.append((move.expert, partOfExpert[move.expert]))
      apply(move.expert, to: move.part)
      crowded = held[move.part] > room[move.part] ? move.part : nil
      if crowded == nil, cost < best.cost, (loads.max().map(Double.init) ?? 0) <= loadLimit {
        best = (cost, chain.count)
      }
      if chain.count - best.length > 2 * room.count + 16 { break }
    }
    for move in chain[best.length...].reversed() { apply(move.expert, to: move.from) }
    return cost < before
  }

  /// The move that gains most; ties: the lower expert, the lower part.
  private func bestMove(_ isFree: [Bool], _ crowded: Int?) -> (expert: Int, part: Int)? {
    var best: (expert: Int, part: Int)?
    var bestGain = Int.min
    var gains = Array(repeating: 0, count: room.count)
    // What a full part could give away next.
    var heaviest = Array(repeating: 0, count: room.count)
    for (expert, part) in partOfExpert.enumerated() where isFree[expert] {
      heaviest[part] = max(heaviest[part], load[expert])
    }
    for (expert, part) in partOfExpert.enumerated() where isFree[expert] {
      if let crowded, crowded != part { continue }
      addGains(of: expert, into: &gains)
      for goal in room.indices where goal != part && room[goal] > 0 && gains[goal] > bestGain {
        let relief = held[goal] >= room[goal] ? heaviest[goal] : 0
        guard Double(loads[goal] + load[expert] - relief) <= loadLimit else { continue }
        (best, bestGain) = ((expert, goal), gains[goal])
      }
    }
    return best
  }

  /// [parts] what the cost falls by when an expert moves there.
  private func addGains(of expert: Int, into gains: inout [Int]) {
    let (parts, home) = (room.count, partOfExpert[expert])
    for part in 0..<parts { gains[part] = 0 }
    var leaving = 0
    for visit in visits.visits[visits.range(of: expert)] {
      let row = Int(visit.bundle) * parts
      let (own, tokens) = (partOfSource[Int(visit.source)], Int(visit.tokens))
      if counts[row + home] == 1, own != home { leaving += tokens }
      for part in 0..<parts where counts[row + part] == 0 && own != part { gains[part] -= tokens }
    }
    for part in 0..<parts { gains[part] += leaving }
  }

  private mutating func apply(_ expert: Int, to goal: Int) {
    let (parts, home) = (room.count, partOfExpert[expert])
    for visit in visits.visits[visits.range(of: expert)] {
      let row = Int(visit.bundle) * parts
      let (own, tokens) = (partOfSource[Int(visit.source)], Int(visit.tokens))
      counts[row + home] -= 1
      if counts[row + home] == 0, own != home { cost -= tokens }
      if counts[row + goal] == 0, own != goal { cost += tokens }
      counts[row + goal] += 1
    }
    partOfExpert[expert] = goal
    held[home] -= 1
    held[goal] += 1
    loads[home] -= load[expert]
    loads[goal] += load[expert]
  }
}
