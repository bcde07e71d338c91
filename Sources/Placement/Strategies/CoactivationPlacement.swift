// SPDX-License-Identifier: Apache-2.0
// epsim: experts that are chosen together, side by side.

internal import CostModel
internal import Workloads

/// Co-activation grouping: groups with much affinity go to nodes, then parts of them to ranks.
///
/// A rank gets about its share of the experts, up to `band` more or fewer where it has slots for
/// them; slots that are left get replicas. It sees pairs of experts, neither sources nor load.
/// Source: GRACE-MoE, arXiv:2509.25041 (groups by node, then by rank, sizes in a band); Occult, PMLR
/// 267 (affinity inside devices).
public struct CoactivationPlacement: PlacementStrategy {
  /// By how much of its share a rank may have more or fewer experts.
  public let band: Double

  /// - Precondition: `band` is not negative.
  public init(band: Double = 0.15) {
    precondition(band >= 0, "size band \(band)")
    self.band = band
  }

  public func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement {
    let offsets = try problem.roomyOffsets(for: name)
    let topology = problem.topology
    let room = zip(offsets, offsets.dropFirst()).map { $1 - $0 }
    let ranksOfNode = (0..<topology.nodeCount).map { node in
      topology.nodeOfRank.indices.filter { topology.nodeOfRank[$0] == node }
    }
    let rows = try problem.windows(for: name).map { windows -> [Int32] in
      let grouping = CoactivationGroups(windows)
      let all = Array(0..<problem.load.expertCount)
      let nodeRoom = ranksOfNode.map { $0.reduce(0) { $0 + room[$1] } }
      var homes = all
      let ofNodes = grouping.groups(of: all, sizes: sizes(all.count, nodeRoom))
      for (ranks, experts) in zip(ranksOfNode, ofNodes) {
        let ofRanks = grouping.groups(
          of: experts, sizes: sizes(experts.count, ranks.map { room[$0] }))
        for (rank, group) in zip(ranks, ofRanks) { for expert in group { homes[expert] = rank } }
      }
      let load = windows.reduce(into: all.map { _ in 0 }) { sums, bundles in
        for (expert, count) in bundles.load.enumerated() { sums[expert] += count }
      }
      return ReplicaFilling.slots(
        rankOfExpert: homes, load: load, slotOffsets: offsets, topology: topology)
    }
    return try ExpertPlacement(
      name: name, layers: problem.load.layers, expertCount: problem.load.expertCount,
      slotOffsets: offsets, physicalToLogical: rows)
  }

  /// [groups] fewest and most experts, around shares by room.
  private func sizes(_ experts: Int, _ room: [Int]) -> [ClosedRange<Int>] {
    let slots = room.reduce(0, +)
    return room.map { room in
      let share = slots == 0 ? 0 : Double(experts) * Double(room) / Double(slots)
      let most = min(Double(room), max(share.rounded(.up), (share * (1 + band)).rounded(.up)))
      let fewest = max(0, (share * (1 - band)).rounded(.down))
      return Int(min(fewest, most))...Int(most)
    }
  }
}
