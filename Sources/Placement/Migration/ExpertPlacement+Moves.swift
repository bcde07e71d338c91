// SPDX-License-Identifier: Apache-2.0
// epsim: how far two placements are apart.

internal import MoE

extension ExpertPlacement {
  /// Slots of a layer whose expert its rank must take in when another placement becomes this one:
  /// sum over ranks of |slots of this \ slots of the other|, as multisets.
  ///
  /// Ranks keep their numbers; ``relabelled(toKeep:topology:keepingNodes:)`` looks for better ones.
  /// - Precondition: both have the row, of the same experts.
  public func movedSlots(from old: ExpertPlacement, layerRow row: Int) -> Int {
    (0..<rankCount).reduce(0) { moved, rank in
      let own = Self.countedExperts(self, rank, row)
      guard rank < old.rankCount else { return moved + own.values.reduce(0, +) }
      return moved + Self.missing(own, in: Self.countedExperts(old, rank, row))
    }
  }

  /// The same over all rows.
  /// - Precondition: both have the same layers and experts.
  public func movedSlots(from old: ExpertPlacement) -> Int {
    layers.indices.reduce(0) { $0 + movedSlots(from: old, layerRow: $1) }
  }

  /// How alike two placements are: pairs (layer, rank, expert) that both have / that one of them
  /// has; 1 for equal ones.
  /// - Precondition: both have the same layers.
  public func similarity(to other: ExpertPlacement) -> Double {
    var (both, either) = (0, 0)
    for row in layers.indices {
      for rank in 0..<max(rankCount, other.rankCount) {
        let own = rank < rankCount ? Set(experts(onRank: rank, layerRow: row)) : []
        let others = rank < other.rankCount ? Set(other.experts(onRank: rank, layerRow: row)) : []
        both += own.intersection(others).count
        either += own.union(others).count
      }
    }
    return either == 0 ? 1 : Double(both) / Double(either)
  }

  /// Checks that two placements are of the same model and ranks.
  ///
  /// - Throws: ``InputError`` that names what differs.
  public func requireSameShape(as other: ExpertPlacement) throws {
    guard layers == other.layers, expertCount == other.expertCount, rankCount == other.rankCount
    else {
      throw InputError(
        "placement \(other.name) has \(other.expertCount) experts in \(other.layers.count) layers "
          + "on \(other.rankCount) ranks, \(name) has \(expertCount) in \(layers.count) on "
          + "\(rankCount); both must agree")
    }
  }

  /// Slots of each expert on a rank in one row.
  static func countedExperts(
    _ placement: ExpertPlacement, _ rank: Int, _ row: Int
  ) -> [Int32: Int] {
    placement.physicalToLogical[row][placement.slots(ofRank: rank)]
      .reduce(into: [:]) { $0[$1, default: 0] += 1 }
  }

  /// What of the first multiset is not in the second.
  static func missing(_ wanted: [Int32: Int], in held: [Int32: Int]) -> Int {
    wanted.reduce(0) { $0 + max(0, $1.value - (held[$1.key] ?? 0)) }
  }
}
