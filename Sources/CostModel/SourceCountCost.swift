// SPDX-License-Identifier: Apache-2.0
// epsim: the time of a layer from source-by-slot counts, updated move by move.

/// A layer in which a copy travels for every assignment, without dedup.
///
/// A move touches one column of the counts: O(R), without allocating. With whole counts sums stay
/// exact, so that any number of moves leads to the time of a fresh evaluation; fractions add a
/// rounding error per move.
public struct SourceCountCost: LayerCost {
  public private(set) var rankOfSlot: [Int]
  public private(set) var time: Seconds = .zero
  /// What passes every port in dispatch.
  public private(set) var loads: PortLoads
  /// What the slots of each rank get.
  public private(set) var slots: SlotLoads

  private var model: LayerModel
  /// [S, R] assignments of each slot by source.
  private let column: [Double]
  /// [S]
  private let perSlot: [Double]
  /// [R, R] slots of a destination that have assignments of a source: no message where there is
  /// none.
  private var blocks: [Int32]

  /// - Precondition: counts of the model's ranks; a rank for every slot.
  public init(_ counts: SourceCounts, rankOfSlot: [Int], model: LayerModel) {
    let ranks = counts.rankCount
    loads = PortLoads(
      counts, rankOfSlot: rankOfSlot, topology: model.topology,
      nodesPerLeaf: model.network.leaves?.nodesPerLeaf, bytesPerCopy: model.dispatchBytes)
    let sums = counts.sums
    perSlot = sums.perSlot
    slots = SlotLoads(perSlot: perSlot, rankOfSlot: rankOfSlot, rankCount: ranks)
    self.rankOfSlot = rankOfSlot
    self.model = model
    column = (0..<counts.slotCount).flatMap { slot in
      (0..<ranks).map { counts.values[$0 * counts.slotCount + slot] }
    }
    blocks = Array(repeating: 0, count: ranks * ranks)
    for (slot, rank) in rankOfSlot.enumerated() {
      for source in 0..<ranks where column[slot * ranks + source] > 0 {
        blocks[rank * ranks + source] += 1
      }
    }
    time = self.model.time(assignments: sums.perSource, loads: loads, slots: slots)
  }

  /// The phases of the layer, rank by rank.
  public var phases: RankTimes { model.recursion.layer }

  public mutating func move(slot: Int, to rank: Int) {
    shift(slot, to: rank)
    time = model.time(loads)
  }

  public mutating func swap(slot: Int, with other: Int) {
    let (first, second) = (rankOfSlot[slot], rankOfSlot[other])
    shift(slot, to: second)
    shift(other, to: first)
    time = model.time(loads)
  }

  private mutating func shift(_ slot: Int, to rank: Int) {
    let home = rankOfSlot[slot]
    guard home != rank else { return }
    let ranks = slots.rows.count
    for source in 0..<ranks where column[slot * ranks + source] > 0 {
      let copies = column[slot * ranks + source]
      blocks[home * ranks + source] -= 1
      loads.add(
        copies: -copies, messages: blocks[home * ranks + source] == 0 ? -1 : 0, from: source,
        to: home)
      loads.add(
        copies: copies, messages: blocks[rank * ranks + source] == 0 ? 1 : 0, from: source,
        to: rank)
      blocks[rank * ranks + source] += 1
    }
    rankOfSlot[slot] = rank
    guard perSlot[slot] > 0 else { return }
    changeLoad(of: home, by: -perSlot[slot], active: -1)
    changeLoad(of: rank, by: perSlot[slot], active: 1)
  }

  private mutating func changeLoad(of rank: Int, by rows: Double, active: Double) {
    slots.active[rank] += active
    slots.rows[rank] = slots.active[rank] == 0 ? 0 : slots.rows[rank] + rows
    model.setExperts(rows: slots.rows[rank], active: slots.active[rank], of: rank)
  }
}
