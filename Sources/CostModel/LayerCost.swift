// SPDX-License-Identifier: Apache-2.0
// epsim: what a placement of a layer costs, for those who search a better one.

/// The time of a layer under a placement that is changed slot by slot.
///
/// A slot is a replica of an expert with its share of the assignments; where it lives is what a
/// search changes. Implementations know the traffic and update what a change touches.
public protocol LayerCost: Sendable {
  /// [S] rank of each slot.
  var rankOfSlot: [Int] { get }
  /// The time of the layer.
  var time: Seconds { get }

  /// Moves a slot to a rank, which has one more slot then.
  mutating func move(slot: Int, to rank: Int)

  /// Lets two slots change ranks.
  mutating func swap(slot: Int, with other: Int)
}

extension LayerCost {
  /// The time that a move would lead to; the placement stays.
  public mutating func time(moving slot: Int, to rank: Int) -> Seconds {
    let home = rankOfSlot[slot]
    move(slot: slot, to: rank)
    defer { move(slot: slot, to: home) }
    return time
  }

  /// The time that a swap would lead to; the placement stays.
  public mutating func time(swapping slot: Int, with other: Int) -> Seconds {
    swap(slot: slot, with: other)
    defer { swap(slot: slot, with: other) }
    return time
  }
}
