// SPDX-License-Identifier: Apache-2.0
// epsim: experts that tokens choose together on one node, then on one rank.

internal import CostModel
internal import Workloads

/// Hypergraph refinement with fixed source vertices: nodes first, whose links are dear, then the
/// ranks of each node.
///
/// The objective of the first level is exactly the copies that leave nodes with `--dedup node`, that
/// of the second the copies that leave ranks with `--dedup rank` (``HypergraphPartition``). Three
/// starts (heavy experts first, blocks, dealt in turn); the fewest copies between nodes win, then
/// those between ranks, then the lighter heaviest rank. Slots that are left get replicas.
public struct HypergraphPlacement: PlacementStrategy {
  /// How far above the mean the load of a node or rank may be.
  public let band: Double

  /// - Precondition: `band` is not negative.
  public init(band: Double = 0.1) {
    precondition(band >= 0, "load band \(band)")
    self.band = band
  }

  public func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement {
    let offsets = try problem.roomyOffsets(for: name)
    let rows = try problem.windows(for: name).map { windows in
      let visits = BundleVisits(windows: windows)
      return ReplicaFilling.slots(
        rankOfExpert: homes(visits, offsets, problem.topology), load: visits.load,
        slotOffsets: offsets, topology: problem.topology)
    }
    return try ExpertPlacement(
      name: name, layers: problem.load.layers, expertCount: problem.load.expertCount,
      slotOffsets: offsets, physicalToLogical: rows)
  }

  /// [E] rank.
  private func homes(_ visits: BundleVisits, _ offsets: [Int], _ topology: Topology) -> [Int] {
    let room = zip(offsets, offsets.dropFirst()).map { $1 - $0 }
    let load = visits.load
    let solutions = starts(load, room).map { start -> (homes: [Int], key: [Int]) in
      let (homes, far, remote) = refine(visits, start, room, topology)
      var loads = room.map { _ in 0 }
      for (expert, rank) in homes.enumerated() { loads[rank] += load[expert] }
      return (homes, [far, remote, loads.max() ?? 0])
    }
    return solutions.min { $0.key.lexicographicallyPrecedes($1.key) }!.homes
  }

  /// [starts][E] rank.
  private func starts(_ load: [Int], _ room: [Int]) -> [[Int]] {
    let experts = load.count
    // Slots in order, and the first slot of every rank, the second of every rank ...
    let blocks = room.enumerated().flatMap { Array(repeating: $0.offset, count: $0.element) }
    let turns = (0..<(room.max() ?? 0)).flatMap { turn in
      room.indices.filter { room[$0] > turn }
    }
    // Heavy experts first; where there are more slots than experts, the rest has no load.
    let padded = load.map(Float.init) + Array(repeating: 0, count: blocks.count - experts)
    let heavyFirst = BalancedPacking.pack(padded, room: room).map(\.pack)
    return [heavyFirst, blocks, turns].map { Array($0.prefix(experts)) }
  }

  private func refine(
    _ visits: BundleVisits, _ start: [Int], _ room: [Int], _ topology: Topology
  ) -> (homes: [Int], far: Int, remote: Int) {
    let nodes = topology.nodeCount
    var nodeRoom = Array(repeating: 0, count: nodes)
    for (rank, node) in topology.nodeOfRank.enumerated() { nodeRoom[node] += room[rank] }
    var outer = HypergraphPartition(
      visits, partOfExpert: start.map { topology.nodeOfRank[$0] },
      partOfSource: topology.nodeOfRank, room: nodeRoom, band: band)
    if nodes > 1 { outer.refine() }
    var (homes, remote) = (start, 0)
    for node in 0..<nodes {
      let ranks = topology.nodeOfRank.indices.filter { topology.nodeOfRank[$0] == node }
      let members = outer.partOfExpert.indices.filter { outer.partOfExpert[$0] == node }
      var inner = HypergraphPartition(
        visits,
        partOfExpert: seats(
          members, start, ranks, room, visits.load, count: outer.partOfExpert.count),
        partOfSource: topology.nodeOfRank.indices.map { ranks.firstIndex(of: $0) ?? -1 },
        room: ranks.map { room[$0] }, band: band)
      inner.refine()
      remote += inner.cost
      for expert in members { homes[expert] = ranks[inner.partOfExpert[expert]] }
    }
    return (homes, outer.cost, remote)
  }

  /// [E] place among the ranks of a node: where the start has it, else the heavy ones first, each on
  /// the lightest rank with room.
  private func seats(
    _ members: [Int], _ start: [Int], _ ranks: [Int], _ room: [Int], _ load: [Int], count: Int
  ) -> [Int] {
    var seats = Array(repeating: -1, count: count)
    var held = ranks.map { _ in 0 }
    var loads = held
    func seat(_ expert: Int, _ place: Int) {
      seats[expert] = place
      held[place] += 1
      loads[place] += load[expert]
    }
    for expert in members {
      if let place = ranks.firstIndex(of: start[expert]) { seat(expert, place) }
    }
    for expert in members.sorted(by: { (-load[$0], $0) < (-load[$1], $1) })
    where seats[expert] < 0 {
      let open = ranks.indices.filter { held[$0] < room[ranks[$0]] }
      seat(expert, open.min { (loads[$0], $0) < (loads[$1], $1) }!)
    }
    return seats
  }
}
