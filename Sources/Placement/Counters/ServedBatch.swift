// SPDX-License-Identifier: Apache-2.0
// epsim: the tokens of one layer of one step with the slots that serve them.

public import CostModel
internal import MoE

/// One layer of one step under a placement, token by token.
public struct ServedBatch: Sendable {
  /// The placement of this layer alone.
  public let placement: ExpertPlacement
  /// K, the choices of a token.
  public let topK: Int
  /// [R][T_r, K] the slot of each assignment of each rank's tokens; negative where it is dropped.
  public let slots: [[Int32]]

  /// - Precondition: a placement of one layer and as many ranks as there are lists; slots are below
  ///   P.
  public init(placement: ExpertPlacement, topK: Int, slots: [[Int32]]) {
    precondition(
      placement.layers.count == 1 && placement.rankCount == slots.count
        && slots.allSatisfy { $0.allSatisfy { $0 < placement.slotCount } },
      "tokens of \(slots.count) ranks for \(placement.rankCount)")
    self.placement = placement
    self.topK = topK
    self.slots = slots
  }

  /// [P] assignments that each slot serves.
  public var rowsPerSlot: [Int] {
    var rows = Array(repeating: 0, count: placement.slotCount)
    for slot in slots.joined() where slot != RoutingDecision.dropped { rows[Int(slot)] += 1 }
    return rows
  }

  /// What the batch sends and computes.
  /// - Precondition: the topology has the placement's ranks.
  public func counters(on topology: Topology) -> TrafficCounters {
    var counters = TrafficCounters(placement: placement, topology: topology)
    for (rank, slots) in slots.enumerated() {
      slots.withUnsafeBufferPointer {
        counters.add(layerRow: 0, sourceRank: rank, slots: $0, topK: topK)
      }
    }
    return counters
  }
}
