// SPDX-License-Identifier: Apache-2.0
// epsim: what the largest rank load of a layer cannot go below.

/// Lower bounds on the largest rank load over all placements with given slots.
///
/// The mean and the heaviest replica hold for every way to share an expert's load among its
/// replicas; the cardinality bound is of placements without any.
/// Source: docs/placement.md, section Judging.
public struct LoadBound: Sendable, Equatable {
  /// Load of a rank if all ranks were equal.
  public let mean: Double
  /// Load of the heaviest replica when the slots are given out as well as possible.
  public let heaviestReplica: Double
  /// What the number of slots of each rank forces together; 0 where there are replicas.
  public let cardinality: Double
  /// Load of a rank with slots if all of these were equal; without replicas in whole assignments.
  private let shared: Double

  /// The largest of them: a lower bound on the largest rank load.
  public var value: Double { max(shared, heaviestReplica, cardinality) }

  /// - Parameters:
  ///   - loads: [E] loads of a layer.
  ///   - slotOffsets: [R + 1] first slot of each rank, and P, at least E.
  public init(loads: some Sequence<Int>, slotOffsets: [Int]) {
    let whole = Array(loads)
    let loads = whole.map { Double($0) }
    let slotsPerRank = zip(slotOffsets, slotOffsets.dropFirst()).map { $1 - $0 }
    let slotCount = slotOffsets[slotOffsets.count - 1]
    let replication = ExpertReplication(loads: loads, replicaCount: slotCount)
    let sum = loads.reduce(0, +)
    let fair = sum / Double(max(1, slotsPerRank.count { $0 > 0 }))
    mean = sum / Double(slotsPerRank.count)
    heaviestReplica = zip(loads, replication.replicaCounts).map { $0 / Double($1) }.max() ?? 0
    let hasReplicas = slotCount > loads.count
    cardinality = hasReplicas ? 0 : Self.cardinality(loads, slotsPerRank: slotsPerRank)
    shared = hasReplicas ? fair : fair.rounded(.up)
  }

  /// The same for slots that are shared out evenly.
  public init(loads: some Sequence<Int>, slotCount: Int, rankCount: Int) {
    self.init(
      loads: loads,
      slotOffsets: SlotLayout.firstRanksHoldMore(slotCount: slotCount, rankCount: rankCount))
  }

  /// The largest LB_k over k: of one item more than all ranks can hold with k each, some rank holds
  /// k + 1; its other slots hold the smallest at best.
  static func cardinality(_ loads: [Double], slotsPerRank: [Int]) -> Double {
    let falling = loads.sorted(by: >)
    // [n] sum of the n smallest.
    let smallest = falling.reversed().reduce(into: [0.0]) { $0.append($0[$0.count - 1] + $1) }
    var best = 0.0
    for k in 0..<(slotsPerRank.max() ?? 0) {
      let count = 1 + slotsPerRank.reduce(0) { $0 + min(k, $1) }
      guard count <= falling.count else { break }
      let crowded = falling[(count - 1 - k)..<count].reduce(0, +)
      let others = (slotsPerRank.filter { $0 > k }.min() ?? k + 1) - k - 1
      best = max(best, crowded + smallest[others])
    }
    return best
  }
}
