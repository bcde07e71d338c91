// SPDX-License-Identifier: Apache-2.0
// epsim: which ranks can serve each expert of a layer.

/// The distinct ranks that hold each expert in one layer.
///
/// A host is an expert on a rank; of two slots of an expert on a rank only the lower counts. Hosts
/// ascend by expert, then by slot.
struct ReplicaHosts: Sendable {
  /// E.
  let expertCount: Int
  /// R.
  let rankCount: Int
  /// [E + 1] where each expert's hosts start.
  let offsets: [Int]
  /// [hosts] rank and slot of each.
  let ranks: [Int]
  let slots: [Int]
  /// [hosts] expert of each.
  let experts: [Int]
  /// [R + 1] where each rank's hosts start in ``ofRank``.
  let rankOffsets: [Int]
  /// [hosts] hosts by rank.
  let ofRank: [Int]

  /// All hosts of all experts.
  var count: Int { ranks.count }

  init(placement: ExpertPlacement, layerRow: Int) {
    let copies = placement.logicalToPhysical(layerRow: layerRow)
    expertCount = placement.expertCount
    rankCount = placement.rankCount
    var offsets = [0]
    var (ranks, slots, experts): ([Int], [Int], [Int]) = ([], [], [])
    for expert in 0..<placement.expertCount {
      // Slots ascend, and so do their ranks.
      for slot in copies.slots[copies.offsets[expert]..<copies.offsets[expert + 1]] {
        let rank = placement.rank(ofSlot: Int(slot))
        if ranks.count > offsets[expert], ranks.last == rank { continue }
        ranks.append(rank)
        slots.append(Int(slot))
        experts.append(expert)
      }
      offsets.append(ranks.count)
    }
    var byRank = Array(repeating: [Int](), count: placement.rankCount)
    for (host, rank) in ranks.enumerated() { byRank[rank].append(host) }
    (self.offsets, self.ranks, self.slots, self.experts) = (offsets, ranks, slots, experts)
    rankOffsets = byRank.reduce(into: [0]) { $0.append($0.last! + $1.count) }
    ofRank = byRank.flatMap { $0 }
  }

  /// The hosts of an expert.
  func hosts(of expert: Int) -> Range<Int> { offsets[expert]..<offsets[expert + 1] }
}
