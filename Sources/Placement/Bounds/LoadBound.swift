// SPDX-License-Identifier: Apache-2.0
// epsim: what the largest rank load of a layer cannot go below.

/// Lower bounds on the largest load / speed of a rank over all placements with given slots.
///
/// The mean and the heaviest replica hold for every way to share an expert's load among its
/// replicas; the cardinality bound is of placements without any. Without speeds all are 1, and the
/// bounds are of loads.
/// Source: docs/placement.md, section Judging.
public struct LoadBound: Sendable, Equatable {
  /// Load / speed of a rank if it were the same on all ranks.
  public let mean: Double
  /// Of the heaviest replica, on the fastest rank with slots, when the slots are given out as well
  /// as possible.
  public let heaviestReplica: Double
  /// What the number of slots of each rank forces together; 0 where there are replicas.
  public let cardinality: Double
  /// The mean of ranks with slots; without replicas in whole assignments.
  public let shared: Double

  /// The largest of them: a lower bound on the largest load / speed.
  public var value: Double { max(shared, heaviestReplica, cardinality) }

  /// - Parameters:
  ///   - loads: [E] loads of a layer.
  ///   - slotOffsets: [R + 1] first slot of each rank, and P, at least E.
  ///   - speeds: [R] above 0; nil where all are 1.
  public init(loads: some Sequence<Int>, slotOffsets: [Int], speeds: [Double]? = nil) {
    let whole = Array(loads)
    let loads = whole.map { Double($0) }
    let speeds = speeds ?? Array(repeating: 1, count: slotOffsets.count - 1)
    precondition(
      speeds.count == slotOffsets.count - 1, "\(speeds.count) speeds, \(slotOffsets.count) offsets")
    let hosts = zip(zip(slotOffsets, slotOffsets.dropFirst()), speeds)
      .map { Host(slots: $0.1 - $0.0, speed: $1) }.filter { $0.slots > 0 }
    let slotCount = slotOffsets[slotOffsets.count - 1]
    let replication = ExpertReplication(loads: loads, replicaCount: slotCount)
    let sum = loads.reduce(0, +)
    let fair = sum / hosts.reduce(0) { $0 + $1.speed }
    mean = sum / speeds.reduce(0, +)
    let fastest = hosts.map(\.speed).max() ?? 1
    heaviestReplica =
      (zip(loads, replication.replicaCounts).map { $0 / Double($1) }.max() ?? 0) / fastest
    let hasReplicas = slotCount > loads.count
    cardinality = hasReplicas ? 0 : Self.cardinality(loads, hosts)
    shared = hasReplicas ? fair : Self.inWholeAssignments(sum, fair: fair, hosts)
  }

  /// A rank with slots.
  private struct Host {
    var slots: Int
    var speed: Double
  }

  /// The least z at which the ranks hold floor(z speed) assignments each, and so all of them.
  private static func inWholeAssignments(
    _ sum: Double, fair: Double, _ hosts: [Host]
  ) -> Double {
    // Rounding may let a rank hold one more, never one less, so that z is a bound.
    func held(_ host: Host, _ z: Double) -> Double {
      (z * host.speed * (1 + 1e-12)).rounded(.down)
    }
    var z = fair
    // Every step lets a rank hold one more, and fewer are missing than there are ranks.
    for _ in hosts {
      guard hosts.reduce(0, { $0 + held($1, z) }) < sum else { break }
      z = hosts.map { (held($0, z) + 1) / $0.speed }.min() ?? z
    }
    return z
  }

  /// The largest LB_k over k: of one item more than all ranks can hold with k of the fastest and as
  /// many less as others are slower, some rank holds one more than that; its other slots hold the
  /// smallest at best.
  private static func cardinality(_ loads: [Double], _ hosts: [Host]) -> Double {
    let falling = loads.sorted(by: >)
    // [n] sum of the n largest, and of the n smallest.
    let largest = falling.reduce(into: [0.0]) { $0.append($0[$0.count - 1] + $1) }
    let smallest = falling.reversed().reduce(into: [0.0]) { $0.append($0[$0.count - 1] + $1) }
    let fastest = hosts.map(\.speed).max() ?? 1
    var best = 0.0
    for k in falling.indices {
      let held = hosts.map { min($0.slots, Int((Double(k) * ($0.speed / fastest)).rounded(.down))) }
      let count = 1 + held.reduce(0, +)
      guard count <= falling.count else { break }
      var least = Double.infinity
      for (host, held) in zip(hosts, held) where held < host.slots {
        let crowded = largest[count] - largest[count - 1 - held]
        least = min(least, (crowded + smallest[host.slots - held - 1]) / host.speed)
      }
      if least < .infinity { best = max(best, least) }
    }
    return best
  }
}
