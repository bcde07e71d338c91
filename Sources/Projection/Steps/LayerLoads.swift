// SPDX-License-Identifier: Apache-2.0
// epsim: a layer's demand as the ports and processors of one case see it.

public import CostModel
internal import MoE
internal import Placement

/// What a layer puts on ports and processors under one case: sums over rows and columns only, so
/// that many parameters can be tried on a demand whose matrices are gone.
public struct LayerLoads: Sendable {
  let dispatch: PortLoads
  let combine: PortLoads
  /// How many times as long the exchanges take as their busiest ports need.
  var dispatchSlowdown = 1.0
  var combineSlowdown = 1.0
  let dispatchSenders: Senders
  let combineSenders: Senders
  let copied: CopiedRows
  /// [R] tokens, assignments of them, rows at the experts.
  let tokens: [Int]
  let sent: [Int]
  let received: [Int]
  /// [R + 1] first slot of each rank, and P.
  let slotOffsets: [Int]
  /// [P] rows of each slot.
  let rowsPerSlot: [Int]

  /// - Parameter nodesPerLeaf: nodes that hang on a leaf switch; nil where leaves are not counted.
  public init(
    _ demand: LayerDemand, of projected: ProjectedCase, nodesPerLeaf: Int? = nil
  ) {
    let (traffic, topology) = (demand.traffic, demand.traffic.topology)
    let raw = PortLoads(
      traffic.raw, topology: topology, nodesPerLeaf: nodesPerLeaf,
      bytesPerCopy: projected.dispatchBytes)
    dispatch =
      switch projected.dedup {
      case .none: raw
      case .rank:
        PortLoads(
          traffic.rankDedup, topology: topology, nodesPerLeaf: nodesPerLeaf,
          bytesPerCopy: projected.dispatchBytes)
      case .node:
        PortLoads(
          nodeDedup: traffic.nodeDedup, passedOn: traffic.rankDedup, topology: topology,
          nodesPerLeaf: nodesPerLeaf, bytesPerCopy: projected.dispatchBytes)
      }
    // Sums return as their copies came, exact results straight to their tokens.
    combine = (projected.combine == .preReduced ? dispatch : raw).reversed(
      bytesPerCopy: projected.combineBytes)
    if projected.waitsForPartnersOnly {
      dispatchSenders = Senders(traffic.raw)
      combineSenders = Senders(returning: traffic.raw)
    } else {
      (dispatchSenders, combineSenders) = (.everyone, .everyone)
    }
    copied = CopiedRows(traffic, dedup: projected.dedup, combine: projected.combine)
    tokens = demand.tokensPerRank
    sent = traffic.raw.rowSums
    slotOffsets = demand.slotOffsets
    rowsPerSlot = demand.rowsPerSlot
    received = (0..<topology.rankCount).map { demand.rows(of: $0).reduce(0, +) }
  }

  /// Bytes that leave nodes, to the experts and back, over all ranks.
  public var offNodeBytes: Bytes { sum(\.betweenEgress) }
  /// Bytes that leave ranks for others of their node, to the experts and back, over all ranks.
  public var insideBytes: Bytes { sum(\.insideEgress) }
  /// Bytes that pass the links above leaves, to the experts and back; none without leaves.
  public var leafBytes: Bytes { sum(\.leafEgress) }

  /// Mean bytes of the messages of each exchange, the smallest and the largest; nil without any.
  public var messageBytes: ClosedRange<Double>? {
    let sizes = [dispatch, combine].flatMap { loads in
      [\PortLoads.insideEgress, \PortLoads.betweenEgress].compactMap { side in
        let messages = loads[keyPath: side].messages.reduce(0, +)
        return messages > 0 ? bytes(loads, side).value / messages : nil
      }
    }
    return sizes.min().map { $0...sizes.max()! }
  }

  /// Rows per active expert of a rank, the fewest and the most; nil without any.
  public var rowsPerExpert: ClosedRange<Double>? {
    let means = received.indices.compactMap { rank -> Double? in
      let slots = rowsPerSlot[slotOffsets[rank]..<slotOffsets[rank + 1]]
      let active = slots.count { $0 > 0 }
      return active > 0 ? Double(received[rank]) / Double(active) : nil
    }
    return means.min().map { $0...means.max()! }
  }

  private func bytes(
    _ loads: PortLoads, _ side: KeyPath<PortLoads, PortLoads.Side>
  ) -> Bytes {
    loads[keyPath: side].copies.indices.reduce(.zero) { $0 + loads.bytes(side, at: $1) }
  }

  private func sum(_ side: KeyPath<PortLoads, PortLoads.Side>) -> Bytes {
    bytes(dispatch, side) + bytes(combine, side)
  }
}
