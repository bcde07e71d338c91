// SPDX-License-Identifier: Apache-2.0
// epsim: replicas for the slots that are left when every expert has one.

internal import CostModel

/// Fills what experts leave free.
///
/// Each free slot goes to the expert with the most load per replica that some rank with room lacks,
/// on such a rank of a node with the fewest copies of it, there on the lightest. Ties: the lower
/// expert, the lower rank. Where every rank with room has all experts, replicas are useless and the
/// rank repeats its first.
enum ReplicaFilling {
  /// Shapes: `rankOfExpert`, `load` [E]; `slotOffsets` [R + 1].
  ///
  /// - Returns: [P] expert in each slot, ascending within a rank.
  /// - Precondition: no rank has more experts than slots.
  static func slots(
    rankOfExpert: [Int], load: [Int], slotOffsets: [Int], topology: Topology
  ) -> [Int32] {
    let ranks = topology.rankCount
    var held = Array(repeating: [Int32](), count: ranks)
    var loads = Array(repeating: 0.0, count: ranks)
    var copies = load.map { _ in 1.0 }
    var onNode = Array(repeating: 0, count: load.count * topology.nodeCount)
    for (expert, rank) in rankOfExpert.enumerated() {
      held[rank].append(Int32(expert))
      loads[rank] += Double(load[expert])
      onNode[expert * topology.nodeCount + topology.nodeOfRank[rank]] += 1
    }
    func room(_ rank: Int) -> Int { slotOffsets[rank + 1] - slotOffsets[rank] - held[rank].count }
    precondition((0..<ranks).allSatisfy { room($0) >= 0 }, "more experts than slots")
    var free = (0..<ranks).reduce(0) { $0 + room($1) }
    while free > 0 {
      let open = (0..<ranks).filter { room($0) > 0 }
      var best = (expert: -1, perCopy: -1.0)
      for expert in load.indices where Double(load[expert]) / copies[expert] > best.perCopy {
        guard open.contains(where: { !held[$0].contains(Int32(expert)) }) else { continue }
        best = (expert, Double(load[expert]) / copies[expert])
      }
      guard best.expert >= 0 else { break }
      let rank = open.filter { !held[$0].contains(Int32(best.expert)) }.min { left, right in
        let (a, b) = (topology.nodeOfRank[left], topology.nodeOfRank[right])
        let nodes = topology.nodeCount
        return (onNode[best.expert * nodes + a], loads[left], left)
          < (onNode[best.expert * nodes + b], loads[right], right)
      }!
      copies[best.expert] += 1
      for host in 0..<ranks where held[host].contains(Int32(best.expert)) {
        loads[host] -= best.perCopy - Double(load[best.expert]) / copies[best.expert]
      }
      held[rank].append(Int32(best.expert))
      loads[rank] += Double(load[best.expert]) / copies[best.expert]
      onNode[best.expert * topology.nodeCount + topology.nodeOfRank[rank]] += 1
      free -= 1
    }
    return (0..<ranks).flatMap { rank in
      held[rank].sorted() + Array(repeating: held[rank].min() ?? 0, count: room(rank))
    }
  }
}
