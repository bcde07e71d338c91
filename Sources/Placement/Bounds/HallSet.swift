// SPDX-License-Identifier: Apache-2.0
// epsim: what no replica choice can share out better under a fixed placement.

/// The ranks that experts cannot leave, where that hurts most.
///
/// Whatever the replica choice, the load of experts that live on these ranks alone stays there, so
/// that one of them has at least the mean; some choice reaches it (fractions of an assignment
/// allowed). It is the largest such mean over all sets of ranks.
/// Source: Hall's condition; the largest mean by Newton's iteration on maximum flows (Dinkelbach),
/// at most R rounds, in whole numbers.
public struct HallSet: Sendable, Equatable {
  /// The ranks, ascending; all where nothing forces load together.
  public let ranks: [Int]
  /// Assignments of experts that live on these ranks alone.
  public let assignments: Int
  /// The load that one of the ranks has at least.
  public var load: Double { ranks.isEmpty ? 0 : Double(assignments) / Double(ranks.count) }

  /// - Parameters:
  ///   - loads: [E] assignments of a layer.
  ///   - hosts: [E] ranks that hold each expert.
  /// - Precondition: an expert with load has a host; sums times ranks fit into 62 bits.
  public init(loads: [Int], hosts: [[Int]], rankCount: Int) {
    precondition(
      loads.count == hosts.count && zip(loads, hosts).allSatisfy { $0 == 0 || !$1.isEmpty },
      "\(loads.count) loads, \(hosts.count) hosts")
    let active = loads.indices.filter { loads[$0] > 0 }
    let total = loads.reduce(0, +)
    // Ranks without an expert are in no tight set.
    var tight = Set(active.flatMap { hosts[$0] }).sorted()
    var inside = total
    var isTight = tight.isEmpty
    while !isTight {
      // All loads times |S|, so that the mean is whole.
      let (source, sink) = (active.count + rankCount, active.count + rankCount + 1)
      var flow = MaxFlow(nodeCount: sink + 1)
      for (index, expert) in active.enumerated() {
        flow.addArc(from: source, to: index, capacity: loads[expert] * tight.count)
        for rank in Set(hosts[expert]).sorted() {
          flow.addArc(from: index, to: active.count + rank, capacity: MaxFlow.unlimited)
        }
      }
      for rank in 0..<rankCount {
        flow.addArc(from: active.count + rank, to: sink, capacity: inside)
      }
      guard flow.maximise(from: source, to: sink) < total * tight.count else {
        isTight = true
        break
      }
      let reached = flow.reachable(from: source)
      tight = (0..<rankCount).filter { reached[active.count + $0] }
      inside = active.indices.reduce(0) { $0 + (reached[$1] ? loads[active[$1]] : 0) }
    }
    (ranks, assignments) = (tight, inside)
  }

  /// Of one layer of a placement. Shape: `loads` [E].
  public init(loads: some Sequence<Int>, placement: ExpertPlacement, layerRow row: Int) {
    var hosts = Array(repeating: [Int](), count: placement.expertCount)
    for (slot, expert) in placement.physicalToLogical[row].enumerated() {
      hosts[Int(expert)].append(placement.rank(ofSlot: slot))
    }
    self.init(loads: Array(loads), hosts: hosts, rankCount: placement.rankCount)
  }
}
