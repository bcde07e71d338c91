// SPDX-License-Identifier: Apache-2.0
// epsim: what the ranks of a problem can hold, and whether that can be served.

internal import CostModel
internal import MoE
internal import Workloads

extension PlacementProblem {
  /// The speeds of ranks that are accepted, 1 being the fastest.
  public static let speedRange = 0.001...1.0

  /// [R] slots of each rank.
  public var room: [Int] {
    let offsets = slotOffsets
    return zip(offsets, offsets.dropFirst()).map { $1 - $0 }
  }

  /// [R] speed of each rank, 1 where the problem says nothing.
  var speeds: [Double] { rankSpeeds ?? Array(repeating: 1, count: topology.rankCount) }

  /// What stands on the ranks now, in the layers of the problem.
  ///
  /// - Throws: ``InputError`` where nothing stands there, or something made for other sizes.
  public func requireCurrent(for name: String) throws -> ExpertPlacement {
    guard let current else {
      throw InputError(
        "placement \(name): it starts from the placement of the moment, which is --current of place, "
          + "the first placement of compare, or --from of rebalance")
    }
    guard current.expertCount == load.expertCount, current.rankCount == topology.rankCount else {
      throw InputError(
        "placement \(name): the current placement \(current.name) is for \(current.expertCount) "
          + "experts on \(current.rankCount) ranks, needed are \(load.expertCount) experts on "
          + "\(topology.rankCount) ranks")
    }
    guard slotsPerRank == nil || slotOffsets == current.slotOffsets else {
      throw InputError(
        "placement \(name): the ranks are to hold \(room) slots, which the current placement "
          + "\(current.name) does not, and it moves experts among the slots that there are")
    }
    return try current.selecting(layers: load.layers, name: current.name)
  }

  /// Refuses numbers of slots and speeds that are not those of the ranks.
  ///
  /// - Throws: ``InputError`` that names the rank and what is accepted.
  func checkRanks(for name: String) throws {
    let ranks = topology.rankCount
    if let slotsPerRank {
      guard slotsPerRank.count == ranks else {
        throw InputError(
          "placement \(name): slots are given for \(slotsPerRank.count) ranks, there are \(ranks)")
      }
      var left = ExpertPlacement.maximumSlotCount
      for (rank, slots) in slotsPerRank.enumerated() {
        guard (0...left).contains(slots) else {
          throw InputError(
            "placement \(name): \(slots) slots on rank \(rank), accepted are 0 to "
              + "\(ExpertPlacement.maximumSlotCount) on all ranks together")
        }
        left -= slots
      }
    }
    if let rankSpeeds {
      guard rankSpeeds.count == ranks else {
        throw InputError(
          "placement \(name): speeds are given for \(rankSpeeds.count) ranks, there are \(ranks)")
      }
      if let rank = rankSpeeds.firstIndex(where: { !Self.speedRange.contains($0) }) {
        throw InputError(
          "placement \(name): rank \(rank) has speed \(rankSpeeds[rank]), accepted are "
            + "\(Self.speedRange.lowerBound) to 1, 1 being the fastest rank")
      }
    }
  }

  /// Refuses ranks that hold another number of slots than a placement needs.
  ///
  /// - Throws: ``InputError`` with both numbers and `reason`.
  func requireSlots(_ needed: Int, for name: String, because reason: String) throws {
    guard slotCount == needed else {
      throw InputError(
        "placement \(name): the ranks hold \(slotCount) slots for \(load.expertCount) experts, "
          + "needed are \(needed), \(reason)")
    }
  }

  /// Refuses ranks that hold another number of slots than there are experts.
  ///
  /// - Throws: ``InputError`` with both numbers.
  func requireOneSlotPerExpert(for name: String) throws {
    try requireSlots(load.expertCount, for: name, because: "because it makes no replicas")
  }
}
