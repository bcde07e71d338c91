// SPDX-License-Identifier: Apache-2.0
// epsim: which experts get more than one slot.

/// Gives extra slots, one after another, to the expert with the most load per replica.
///
/// The greedy rule minimises the load of the heaviest replica for the given number of slots.
/// Source: github.com/deepseek-ai/EPLB, `replicate_experts`.
public struct ExpertReplication: Sendable, Equatable {
  /// [P] logical expert of each replica: 0 ..< E, then the extra ones in the order of their choice.
  public let expertOfReplica: [Int32]
  /// [E] replicas of each expert.
  public let replicaCounts: [Int]

  /// Decides the replicas of one layer; equally heavy replicas by rising expert.
  ///
  /// - Parameters:
  ///   - loads: [E] loads, finite and not negative.
  ///   - replicaCount: P, at least E.
  public init<Load: BinaryFloatingPoint>(loads: [Load], replicaCount: Int) {
    precondition(
      replicaCount >= loads.count && !loads.isEmpty,
      "\(replicaCount) replicas of \(loads.count) experts")
    var experts = (0..<Int32(loads.count)).map { $0 }
    experts.reserveCapacity(replicaCount)
    var counts = Array(repeating: 1, count: loads.count)
    // Negated: the heap's first is the heaviest.
    var lightness = KeyedHeap(loads.enumerated().lazy.map { (item: $0, key: -$1) })
    for _ in loads.count..<replicaCount {
      guard let expert = lightness.first?.item else { break }
      experts.append(Int32(expert))
      counts[expert] += 1
      lightness.replaceFirst(key: -loads[expert] / Load(counts[expert]))
    }
    expertOfReplica = experts
    replicaCounts = counts
  }
}
