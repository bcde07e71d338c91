// SPDX-License-Identifier: Apache-2.0
// epsim: experts near the ranks that send to them.

internal import CostModel
internal import Workloads

/// Source-aware placement: the sum of distances that assignments travel, as short as slots allow.
///
/// cost(e, r) = sum over sources s of assignments(s, e) * d(s, r), with d = 0 on the source's rank, 1
/// on its node and `far` beyond: a transportation problem, solved exactly. It ignores dedup and load.
/// Slots that are left get replicas (``ReplicaFilling``).
/// Source: the topology placement of arXiv:2508.09229, with distances of real sources.
public struct SourcePlacement: PlacementStrategy {
  /// Distance to another node.
  public let far: Int

  /// - Precondition: `far` is from 1 to 1000.
  public init(far: Int = 10) {
    precondition((1...1000).contains(far), "distance \(far)")
    self.far = far
  }

  public func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement {
    let offsets = try problem.roomyOffsets(for: name)
    let (topology, experts) = (problem.topology, problem.load.expertCount)
    let room = zip(offsets, offsets.dropFirst()).map { $1 - $0 }
    let rows = try problem.windows(for: name).map { windows in
      let visits = BundleVisits(windows: windows)
      let homes = SourceTransport.assign(
        costs: costs(visits, topology), rankCount: topology.rankCount, room: room)
      return ReplicaFilling.slots(
        rankOfExpert: homes, load: visits.load, slotOffsets: offsets, topology: topology)
    }
    return try ExpertPlacement(
      name: name, layers: problem.load.layers, expertCount: experts, slotOffsets: offsets,
      physicalToLogical: rows)
  }

  /// [E, R]
  private func costs(_ visits: BundleVisits, _ topology: Topology) -> [Int] {
    let (ranks, nodes) = (topology.rankCount, topology.nodeCount)
    return (0..<visits.offsets.count - 1).flatMap { expert in
      let sources = visits.sourceCounts[expert * ranks..<(expert + 1) * ranks]
      var onNode = Array(repeating: 0, count: nodes)
      for (source, count) in sources.enumerated() { onNode[topology.nodeOfRank[source]] += count }
      let total = onNode.reduce(0, +)
      return (0..<ranks).map { rank in
        let near = onNode[topology.nodeOfRank[rank]]
        return (total - near) * far + near - sources[sources.startIndex + rank]
      }
    }
  }
}
