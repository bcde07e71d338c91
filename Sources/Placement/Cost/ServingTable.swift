// SPDX-License-Identifier: Apache-2.0
// epsim: which slots of an expert serve the tokens of each source.

internal import CostModel

/// The candidates of every source for one expert, taken in turn; room that is used again.
struct ServingTable: Sendable {
  /// [R + 1] where the candidates of each source start.
  private var offsets: [Int] = []
  private var slots: [Int32] = []

  /// Finds the candidates: with `isNearest` the copies on the source's rank, else those on its node,
  /// else all; otherwise always all.
  ///
  /// Shapes: `copies` slots of the expert, ascending; `rankOfSlot` [S].
  mutating func fill(
    _ copies: [Int32], rankOfSlot: [Int], nodeOfRank: [Int], isNearest: Bool
  ) {
    offsets.removeAll(keepingCapacity: true)
    slots.removeAll(keepingCapacity: true)
    offsets.append(0)
    for (source, node) in nodeOfRank.enumerated() {
      if isNearest, copies.count > 1 {
        for slot in copies where rankOfSlot[Int(slot)] == source { slots.append(slot) }
        if slots.count == offsets[source] {
          for slot in copies where nodeOfRank[rankOfSlot[Int(slot)]] == node { slots.append(slot) }
        }
      }
      if slots.count == offsets[source] { slots += copies }
      offsets.append(slots.count)
    }
  }

  /// The slot that serves a visit.
  @inline(__always)
  func slot(of visit: BundleVisit) -> Int32 {
    let source = Int(visit.source)
    let first = offsets[source]
    let count = offsets[source + 1] - first
    return slots[count == 1 ? first : first + (Int(visit.turn) + source) % count]
  }
}
