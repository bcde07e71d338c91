// SPDX-License-Identifier: Apache-2.0
// epsim: how many slots each rank holds.

/// The rules that divide P slots over R ranks; both give [R + 1] offsets.
public enum SlotLayout {
  /// Equal numbers; where P does not divide, the first P mod R ranks hold one slot more.
  public static func firstRanksHoldMore(slotCount: Int, rankCount: Int) -> [Int] {
    let (each, more) = slotCount.quotientAndRemainder(dividingBy: rankCount)
    return (0...rankCount).map { $0 * each + min($0, more) }
  }

  /// Slot s on rank floor(s R / P).
  public static func proportional(slotCount: Int, rankCount: Int) -> [Int] {
    // Rank r starts at the first s with s R >= r P.
    (0...rankCount).map { ($0 * slotCount + rankCount - 1) / rankCount }
  }
}
