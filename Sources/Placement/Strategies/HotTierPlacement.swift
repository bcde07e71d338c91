// SPDX-License-Identifier: Apache-2.0
// epsim: the hottest experts on every rank.

internal import CostModel
internal import MoE
internal import Workloads

/// The H hottest experts of each layer stand on every rank that has slots, the others are packed
/// heavy first; E + H (R - 1) slots.
///
/// Tokens of a hot expert need not leave their rank. Equally hot experts by rising number. Where
/// ranks have speeds, the others go where they would be done first.
/// Source: the "biased" full replication of ROCm/ATOM, pull request 1210.
public struct HotTierPlacement: PlacementStrategy {
  /// H.
  public let hotCount: Int

  public init(hotCount: Int) {
    self.hotCount = hotCount
  }

  public func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement {
    let load = problem.load
    guard hotCount <= load.expertCount else {
      throw InputError(
        "placement \(name): \(hotCount) experts on every rank, accepted are 0 to "
          + "\(load.expertCount)")
    }
    var problem = problem
    let hosts = problem.slotsPerRank?.count { $0 > 0 } ?? problem.topology.rankCount
    problem.extraSlots = hotCount * (max(1, hosts) - 1)
    let needed = load.expertCount + problem.extraSlots
    guard needed <= ExpertPlacement.maximumSlotCount else {
      throw InputError(
        "placement \(name): \(needed) slots, accepted are up to "
          + "\(ExpertPlacement.maximumSlotCount)")
    }
    try problem.requireSlots(
      needed, for: name,
      because: "one for each expert and \(hotCount) more on each of \(hosts) ranks but one")
    let (offsets, room) = (problem.slotOffsets, problem.room)
    if let rank = room.firstIndex(where: { $0 > 0 && $0 < hotCount }) {
      throw InputError(
        "placement \(name): rank \(rank) holds \(room[rank]) slots, needed are at least "
          + "\(hotCount) for the experts that stand on every rank")
    }
    return try ExpertPlacement(
      name: name, layers: load.layers, expertCount: load.expertCount, slotOffsets: offsets,
      physicalToLogical: load.layers.indices.map { row in
        place(load.row(row).map { Float($0) }, offsets: offsets, room: room, problem: problem)
      })
  }

  /// [P] expert of each slot of one layer: the hot ones in the first slots of every rank.
  private func place(
    _ loads: [Float], offsets: [Int], room: [Int], problem: PlacementProblem
  ) -> [Int32] {
    let order = BalancedPacking.fallingOrder(loads)
    let (hot, others) = (order.prefix(hotCount), order.dropFirst(hotCount).sorted())
    let hosts = room.count { $0 > 0 }
    let hotShare = hot.reduce(0) { $0 + Double(loads[$1]) } / Double(max(1, hosts))
    let left = room.map { max(0, $0 - hotCount) }
    let positions = BalancedPacking.pack(
      others.map { loads[$0] }, room: left, speeds: problem.speeds, base: hotShare)
    var slots = Array(repeating: Int32(0), count: problem.slotCount)
    for rank in room.indices where room[rank] > 0 {
      for (index, expert) in hot.enumerated() { slots[offsets[rank] + index] = Int32(expert) }
    }
    for (other, position) in zip(others, positions) {
      slots[offsets[position.pack] + hotCount + position.index] = Int32(other)
    }
    return slots
  }
}
