// SPDX-License-Identifier: Apache-2.0
// epsim: what travels as one unit under a scheme: a row, or a copy with its experts.

public import CostModel
internal import Kernels

extension ExchangeScheme {
  /// Whether its exchanges know when the rows of each partner were complete.
  var tellsPartners: Bool { transport == .pointToPoint && dedup != .node && chunks == 1 }

  /// [R] the rank that takes in the copies for each rank; nil where every assignment has a row of
  /// its own.
  func targetOfRank(seenFrom rank: Int, _ topology: Topology) -> [Int]? {
    let ranks = topology.rankCount
    if transport == .allGather { return Array(repeating: 0, count: ranks) }
    return switch dedup {
    case .none: nil
    case .rank: Array(0..<ranks)
    case .node: NodePartners(topology).targets(of: rank)
    }
  }

  /// The most experts that a token can have behind one copy, alike on every rank; 0 where every
  /// assignment has a row of its own.
  func entriesPerCopy(_ topology: Topology, slotOffsets: [Int], choiceWidth: Int) -> Int {
    guard let targets = targetOfRank(seenFrom: 0, topology) else { return 0 }
    var slots = Array(repeating: 0, count: targets.count)
    for (rank, target) in targets.enumerated() {
      slots[target] += slotOffsets[rank + 1] - slotOffsets[rank]
    }
    return min(choiceWidth, slots.max() ?? 0)
  }

  /// Bytes of a unit.
  public func unitBytes(
    hidden: Int, _ topology: Topology, slotOffsets: [Int], choiceWidth: Int
  ) -> Int {
    wire.rowBytes(length: hidden)
      + entriesPerCopy(topology, slotOffsets: slotOffsets, choiceWidth: choiceWidth)
      * MemoryLayout<CopyEntry>.stride
  }
}
