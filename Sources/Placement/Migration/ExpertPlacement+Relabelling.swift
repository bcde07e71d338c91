// SPDX-License-Identifier: Apache-2.0
// epsim: the ranks of a placement in the order that moves the fewest experts.

public import CostModel

extension ExpertPlacement {
  /// The same sets of experts on other ranks, layer by layer, so that the fewest slots move from
  /// what stands there now; on each rank, what stays keeps its slot.
  ///
  /// Only ranks with equally many slots change places. Inside a node load, copies between nodes and
  /// fan-out stay what they are; copies between ranks change, for tokens stay on theirs. Across
  /// nodes traffic changes too: ask for `keepingNodes` where it was fitted.
  ///
  /// - Parameters:
  ///   - keepingNodes: whether a rank may only change places with those of its node.
  ///   - fixedRanks: ranks that are not like the others, such as a slow one: they keep their place.
  /// - Precondition: both have the same layers, experts and ranks, and the topology these ranks.
  /// Source: FlashLB relabels ranks so; Hungarian method on |new \ old|.
  public func relabelled(
    toKeep old: ExpertPlacement, topology: Topology, keepingNodes: Bool,
    fixedRanks: Set<Int> = []
  ) -> ExpertPlacement {
    precondition(
      layers == old.layers && rankCount == old.rankCount && topology.rankCount == rankCount,
      "placements of \(rankCount) and \(old.rankCount) ranks")
    let rows = layers.indices.map { row in
      let order = rankOrder(
        toKeep: old, topology: topology, keepingNodes: keepingNodes, fixedRanks: fixedRanks, row)
      return (0..<rankCount).flatMap { rank in
        aligned(
          Array(physicalToLogical[row][slots(ofRank: order[rank])]),
          with: Array(old.physicalToLogical[row][old.slots(ofRank: rank)]))
      }
    }
    // Permuted rows of a valid placement are valid.
    return try! ExpertPlacement(
      name: name, layers: layers, expertCount: expertCount, slotOffsets: slotOffsets,
      physicalToLogical: rows)
  }

  /// [R] the rank of this placement whose experts each rank takes.
  private func rankOrder(
    toKeep old: ExpertPlacement, topology: Topology, keepingNodes: Bool, fixedRanks: Set<Int>,
    _ row: Int
  ) -> [Int] {
    let wanted = (0..<rankCount).map { Self.countedExperts(self, $0, row) }
    let held = (0..<rankCount).map { Self.countedExperts(old, $0, row) }
    let nodes = topology.nodeOfRank
    // Groups apart are small problems; a cheap tie-break keeps ranks that gain nothing in place.
    var groups: [[Int]: [Int]] = [:]
    for rank in 0..<rankCount where !fixedRanks.contains(rank) {
      groups[[keepingNodes ? nodes[rank] : 0, slots(ofRank: rank).count], default: []].append(rank)
    }
    var order = Array(0..<rankCount)
    for ranks in groups.values where ranks.count > 1 {
      let costs = ranks.map { target in
        ranks.map { origin in
          2 * rankCount * Self.missing(wanted[origin], in: held[target])
            + (origin == target ? 0 : 1)
        }
      }
      for (place, column) in AssignmentProblem.solve(costs).enumerated() {
        order[ranks[place]] = ranks[column]
      }
    }
    return order
  }

  /// Experts in the slots where they stood; the others in the free ones, in their order.
  private func aligned(_ experts: [Int32], with old: [Int32]) -> [Int32] {
    guard experts.count == old.count else { return experts }
    var left = experts
    var row = Array(repeating: Int32?.none, count: experts.count)
    for (slot, expert) in old.enumerated() {
      guard let index = left.firstIndex(of: expert) else { continue }
      row[slot] = expert
      left.remove(at: index)
    }
    return row.map { $0 ?? left.removeFirst() }
  }
}
