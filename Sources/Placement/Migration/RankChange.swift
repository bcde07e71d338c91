// SPDX-License-Identifier: Apache-2.0
// epsim: how many experts move when a rank comes, leaves, or loses what it holds.

public import CostModel

/// The experts that ranks must get when other ranks hold a model than before.
///
/// Ranks that are there before and after keep what they held; those that come hold nothing, those
/// that leave are the last. Local: nothing is sent.
public struct RankChange: Sendable, Equatable {
  /// R after the change.
  public let rankCount: Int
  /// Experts that ranks must get and do not hold, over all layers.
  public let moved: Int
  /// The least that any placement moves with as many experts on each rank: what ranks hold more
  /// than before, and every expert without a copy on a rank that stays.
  public let least: Int
  /// Of the experts on ranks that leave or lose them, those without a copy elsewhere, over all
  /// layers: where their rank can no longer send them, they are made anew.
  public let withoutCopy: Int
  /// Most experts that one rank gets, over all layers.
  public let largestReceived: Int

  /// The change between placements of the same model on different ranks.
  ///
  /// - Parameters:
  ///   - topology: of the ranks of the larger placement.
  ///   - relabelling: which of the ranks of `new` may change places before experts move.
  /// - Precondition: both have the same layers and experts.
  public init(
    from old: ExpertPlacement, to new: ExpertPlacement, topology: Topology,
    relabelling: Relabelling
  ) {
    let count = max(old.rankCount, new.rankCount)
    let before = old.withEmptyRanks(upTo: count)
    let after = relabelling.apply(
      to: new.withEmptyRanks(upTo: count), keeping: before, topology: topology,
      fixedRanks: Set(new.rankCount..<count))
    self.init(
      from: before, to: after, topology: topology, lostRanks: Set(new.rankCount..<count),
      rankCount: new.rankCount)
  }

  /// A rank that loses its experts and gets the same again.
  ///
  /// - Precondition: the placement has the rank, and the topology its ranks.
  public init(refilling rank: Int, of placement: ExpertPlacement, topology: Topology) {
    self.init(
      from: placement, to: placement, topology: topology, lostRanks: [rank],
      rankCount: placement.rankCount)
  }

  private init(
    from old: ExpertPlacement, to new: ExpertPlacement, topology: Topology, lostRanks: Set<Int>,
    rankCount: Int
  ) {
    let plan = MigrationPlan(from: old, to: new, topology: topology, lostRanks: lostRanks)
    var received = Array(repeating: 0, count: new.rankCount)
    for transfer in plan.transfers { received[transfer.destination] += 1 }
    var (least, orphans) = (0, 0)
    for row in old.layers.indices {
      var isKept = Array(repeating: false, count: old.expertCount)
      var growth = 0
      for rank in 0..<new.rankCount {
        let held = lostRanks.contains(rank) ? [] : old.experts(onRank: rank, layerRow: row)
        for expert in held { isKept[expert] = true }
        growth += max(0, new.experts(onRank: rank, layerRow: row).count - held.count)
      }
      let lost = isKept.count { !$0 }
      orphans += lost
      least += max(growth, lost)
    }
    self.rankCount = rankCount
    self.least = least
    moved = plan.transfers.count
    withoutCopy = orphans
    largestReceived = received.max() ?? 0
  }

  /// The loss that leaves the most experts without a copy, then the one of the most experts, then
  /// of the lowest rank.
  ///
  /// - Precondition: the topology has the placement's ranks.
  public static func worstLoss(
    of placement: ExpertPlacement, topology: Topology
  ) -> (rank: Int, change: RankChange) {
    let ranks = 0..<placement.rankCount
    var losses = ranks.map { (withoutCopy: 0, held: 0, order: -$0) }
    for row in placement.layers.indices {
      let experts = ranks.map { placement.experts(onRank: $0, layerRow: row) }
      var holders = Array(repeating: 0, count: placement.expertCount)
      for expert in experts.joined() { holders[expert] += 1 }
      for rank in ranks {
        losses[rank].held += experts[rank].count
        losses[rank].withoutCopy += experts[rank].count { holders[$0] == 1 }
      }
    }
    let worst = -losses.max { $0 < $1 }!.order
    return (worst, RankChange(refilling: worst, of: placement, topology: topology))
  }
}

extension Topology {
  /// These ranks without the last ones, or with further ones on the last node.
  ///
  /// - Precondition: a rank is left.
  public func with(rankCount count: Int) -> Topology {
    precondition(count >= 1, "\(count) ranks")
    return Topology(
      nodeOfRank: (0..<count).map { $0 < rankCount ? nodeOfRank[$0] : nodeOfRank.last! })
  }
}

extension ExpertPlacement {
  /// The same with further ranks that hold nothing.
  fileprivate func withEmptyRanks(upTo count: Int) -> ExpertPlacement {
    // Empty ranks leave a valid placement valid.
    try! ExpertPlacement(
      name: name, layers: layers, expertCount: expertCount,
      slotOffsets: slotOffsets
        + Array(repeating: slotCount, count: max(0, count - rankCount)),
      physicalToLogical: physicalToLogical)
  }
}
