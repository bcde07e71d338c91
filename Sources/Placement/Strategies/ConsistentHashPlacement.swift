// SPDX-License-Identifier: Apache-2.0
// epsim: experts by hash, so that few move when ranks come or go.

internal import CostModel
internal import MoE
internal import Workloads

/// Every rank has points on a ring, an expert stands on the first rank after its own point that has
/// room; a rank has room for ceil(FACTOR E / R) experts, or for its slots where they are given.
///
/// Experts are taken by rising number, the same in every layer. A rank that comes or goes moves
/// about E / R experts and those that the bound pushes on. The smaller FACTOR, the more even the
/// numbers of experts, and the more of them move.
/// Source: Mirrokni, Thorup, Zadimoghaddam, "Consistent hashing with bounded loads", SODA 2018.
public struct ConsistentHashPlacement: PlacementStrategy {
  /// Points of each rank: more of them make the shares of the ring more even.
  private static let pointsPerRank: UInt64 = 64
  /// Keep these streams apart from those of routing, weights and inputs.
  private static let ringPurpose: UInt64 = 0x2020
  private static let expertPurpose: UInt64 = 0x2021

  /// The most experts of a rank, by the mean of all ranks.
  public let factor: Double

  public init(factor: Double) {
    precondition(factor >= 1, "factor \(factor)")
    self.factor = factor
  }

  public func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement {
    try problem.requireOneSlotPerExpert(for: name)
    let (experts, ranks) = (problem.load.expertCount, problem.topology.rankCount)
    let limit = Int((factor * Double(experts) / Double(ranks)).rounded(.up))
    let held = place(
      experts, room: problem.slotsPerRank ?? Array(repeating: limit, count: ranks))
    return try ExpertPlacement(
      name: name, layers: problem.load.layers, expertCount: experts,
      slotOffsets: held.reduce(into: [0]) { $0.append($0.last! + $1.count) },
      physicalToLogical: Array(
        repeating: held.flatMap { $0 }, count: problem.load.layers.count))
  }

  private struct Point {
    var place: UInt64
    var rank: Int
  }

  /// The experts of each rank, ascending.
  private func place(_ experts: Int, room: [Int]) -> [[Int32]] {
    var ring: [Point] = []
    for rank in room.indices {
      let points = CounterRandom(seed: Self.ringPurpose, UInt64(rank))
      for number in 0..<Self.pointsPerRank {
        ring.append(Point(place: points.bits(at: number), rank: rank))
      }
    }
    ring.sort { $0.place < $1.place || ($0.place == $1.place && $0.rank < $1.rank) }
    let hashes = CounterRandom(seed: Self.expertPurpose)
    var held = room.map { _ in [Int32]() }
    for expert in 0..<experts {
      let hash = hashes.bits(at: UInt64(expert))
      var (low, high) = (0, ring.count)
      while low < high {
        let middle = (low + high) / 2
        if ring[middle].place < hash { low = middle + 1 } else { high = middle }
      }
      for step in 0..<ring.count {
        let rank = ring[(low + step) % ring.count].rank
        guard held[rank].count < room[rank] else { continue }
        held[rank].append(Int32(expert))
        break
      }
    }
    return held
  }
}
