// SPDX-License-Identifier: Apache-2.0
// epsim: how the assignments of a whole batch are shared among the copies of each expert.

public import CostModel

/// What each copy of each expert serves in one layer, for rules that look at all ranks' tokens.
///
/// Every rank solves the same problem on the same counts, so no result has to be sent. An expert's
/// assignments are numbered by source rank, then by their order in its batch; within the class of
/// the source (its node where the rule looks at nodes, else all ranks alike) the copies take them
/// in blocks, lowest slot first. Nothing is allocated after `init`.
public final class BatchShares {
  private let choice: ReplicaChoice
  let hosts: ReplicaHosts
  /// [R] class of each source rank.
  let classOfSource: [Int]
  /// Whether a copy on the source rank takes that rank's assignments first.
  private let servesOwnFirst: Bool
  var flow: SplitFlow
  /// Several classes, their costs: fewest copies that leave a class. Nil where one class does.
  var localFlow: SplitFlow?
  /// [R, E] assignments of sources before each one in its class that its own copy does not take.
  private var before: [Int]
  /// [G, E] assignments.
  var counts: [Int]
  /// [E] assignments of all ranks.
  var totals: [Int]
  /// [E] experts in the order in which ``ReplicaChoice/fewestActive`` takes them.
  var order: [Int]
  /// [R] assignments that are given to each rank so far.
  var tokens: [Int]
  /// [R] load of each rank where every expert is dealt evenly to its copies.
  var predicted: [Double]
  /// [hosts] turns of the expert at hand.
  var turns: [Int]

  /// Prepares one row of a placement; nil where the rule needs no counts.
  /// - Precondition: the topology has the placement's ranks.
  public init?(
    placement: ExpertPlacement, layerRow: Int, topology: Topology, choice: ReplicaChoice
  ) {
    guard choice.needsCounts else { return nil }
    precondition(
      topology.rankCount == placement.rankCount,
      "\(topology.rankCount) ranks, placement for \(placement.rankCount)")
    self.choice = choice
    let (hosts, ranks) = (
      ReplicaHosts(placement: placement, layerRow: layerRow), placement.rankCount
    )
    self.hosts = hosts
    flow = SplitFlow(hosts: hosts, classCount: 1, costs: Array(repeating: 0, count: ranks))
    let looksAtNodes = choice == .localSplit || choice == .tieredRoundRobin
    servesOwnFirst = looksAtNodes
    classOfSource = looksAtNodes ? topology.nodeOfRank : Array(repeating: 0, count: ranks)
    let classCount = looksAtNodes ? topology.nodeCount : 1
    if looksAtNodes {
      let costs = (0..<classCount).flatMap { node in
        topology.nodeOfRank.map { $0 == node ? 0 : 1 }
      }
      localFlow = SplitFlow(hosts: hosts, classCount: classCount, costs: costs)
    }
    before = Array(repeating: 0, count: ranks * hosts.expertCount)
    counts = Array(repeating: 0, count: classCount * hosts.expertCount)
    totals = Array(repeating: 0, count: hosts.expertCount)
    order = Array(0..<hosts.expertCount)
    tokens = Array(repeating: 0, count: ranks)
    predicted = Array(repeating: 0, count: ranks)
    turns = Array(repeating: 0, count: hosts.count)
  }

  /// Bytes of the shares of one layer, for the rule that needs most.
  public static func byteCount(placement: ExpertPlacement, topology: Topology) -> Int {
    let (slots, experts, ranks) = (
      placement.slotCount, placement.expertCount, placement.rankCount
    )
    return 8 * (topology.nodeCount * (slots + ranks + experts) + 8 * slots + (ranks + 4) * experts)
  }

  /// Shares out a batch.
  ///
  /// Shapes: `sourceCounts` [R, E] assignments of each rank's tokens to each expert.
  public func solve(_ sourceCounts: UnsafeBufferPointer<Int32>) {
    let experts = hosts.expertCount
    precondition(
      sourceCounts.count == classOfSource.count * experts,
      "\(sourceCounts.count) counts of \(classOfSource.count) ranks and \(experts) experts")
    addUp(sourceCounts)
    flow.clear()
    localFlow?.clear()
    switch choice {
    case .fewestActive: useFewestExperts()
    case .tieredRoundRobin: dealByTiers(sourceCounts)
    default: split()
    }
    number(sourceCounts)
  }

  /// [R] what the ranks serve in the batch that was solved last.
  public var loads: [Int] { localFlow?.loads ?? flow.loads }

  /// What each slot serves of one source rank's assignments, in the batch that was solved last.
  ///
  /// Shapes: `sourceCounts` as they were solved; `shares` [P], overwritten.
  public func fill(
    _ shares: UnsafeMutableBufferPointer<Int32>, ofSource source: Int,
    _ sourceCounts: UnsafeBufferPointer<Int32>
  ) {
    shares.update(repeating: 0)
    let flow = localFlow ?? flow
    let (experts, group) = (hosts.expertCount, classOfSource[source])
    for expert in 0..<experts {
      var left = Int(sourceCounts[source * experts + expert])
      guard left > 0 else { continue }
      let range = hosts.hosts(of: expert)
      if servesOwnFirst {
        for host in range where hosts.ranks[host] == source {
          let own = min(left, flow.shares[group * hosts.count + host])
          shares[hosts.slots[host]] += Int32(own)
          left -= own
        }
      }
      // What own copies leave over is shared in order of the sources.
      var (start, end) = (before[source * experts + expert], 0)
      for host in range where left > 0 {
        end += flow.shares[group * hosts.count + host]
        if servesOwnFirst, classOfSource[hosts.ranks[host]] == group {
          end -= ownShare(of: host, flow, sourceCounts)
        }
        let taken = min(left, max(0, end - start))
        shares[hosts.slots[host]] += Int32(taken)
        (start, left) = (start + taken, left - taken)
      }
    }
  }

  /// What a host takes of its own rank's assignments before others of the rank's class.
  private func ownShare(
    of host: Int, _ flow: SplitFlow, _ sourceCounts: UnsafeBufferPointer<Int32>
  ) -> Int {
    let rank = hosts.ranks[host]
    return min(
      Int(sourceCounts[rank * hosts.expertCount + hosts.experts[host]]),
      flow.shares[classOfSource[rank] * hosts.count + host])
  }

  /// Adds up the counts of sources of a class, and of all.
  private func addUp(_ sourceCounts: UnsafeBufferPointer<Int32>) {
    let experts = hosts.expertCount
    // Through pointers: checked accesses to properties would cost more than the flow.
    counts.withUnsafeMutableBufferPointer { counts in
      counts.update(repeating: 0)
      for (source, group) in classOfSource.enumerated() {
        for expert in 0..<experts {
          counts[group * experts + expert] += Int(sourceCounts[source * experts + expert])
        }
      }
      totals.withUnsafeMutableBufferPointer { totals in
        totals.update(repeating: 0)
        for first in stride(from: 0, to: counts.count, by: experts) {
          for expert in 0..<experts { totals[expert] += counts[first + expert] }
        }
      }
    }
  }

  /// Numbers the assignments that own copies leave over: exclusive sums within a class.
  private func number(_ sourceCounts: UnsafeBufferPointer<Int32>) {
    let experts = hosts.expertCount
    let flow = localFlow ?? flow
    before.withUnsafeMutableBufferPointer { before in
      for index in before.indices { before[index] = Int(sourceCounts[index]) }
      if servesOwnFirst {
        for (host, rank) in hosts.ranks.enumerated() {
          before[rank * experts + hosts.experts[host]] -= ownShare(of: host, flow, sourceCounts)
        }
      }
      // The sums of classes have served their purpose.
      counts.withUnsafeMutableBufferPointer { counts in
        counts.update(repeating: 0)
        for (source, group) in classOfSource.enumerated() {
          for expert in 0..<experts {
            let rest = before[source * experts + expert]
            before[source * experts + expert] = counts[group * experts + expert]
            counts[group * experts + expert] += rest
          }
        }
      }
    }
  }
}
