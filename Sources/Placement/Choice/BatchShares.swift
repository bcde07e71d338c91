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
    for index in counts.indices { counts[index] = 0 }
    for index in totals.indices { totals[index] = 0 }
    for (source, group) in classOfSource.enumerated() {
      for expert in 0..<experts {
        let count = Int(sourceCounts[source * experts + expert])
        counts[group * experts + expert] += count
        totals[expert] += count
      }
    }
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
    let (experts, row) = (hosts.expertCount, classOfSource[source] * hosts.count)
    for expert in 0..<experts {
      var left = Int(sourceCounts[source * experts + expert])
      guard left > 0 else { continue }
      let range = hosts.hosts(of: expert)
      // What own copies have left over for others is shared in order of the sources.
      if servesOwnFirst {
        for host in range where hosts.ranks[host] == source {
          let own = min(left, classShare(row + host))
          shares[hosts.slots[host]] += Int32(own)
          left -= own
        }
      }
      var (start, end) = (before[source * experts + expert], 0)
      for host in range where left > 0 {
        end += classShare(row + host) - ownShare(of: host, sourceCounts, source: source)
        let taken = min(left, max(0, end - start))
        shares[hosts.slots[host]] += Int32(taken)
        (start, left) = (start + taken, left - taken)
      }
    }
  }

  private func classShare(_ index: Int) -> Int {
    localFlow?.shares[index] ?? flow.shares[index]
  }

  /// What a host takes of its own rank's assignments before others of the same class as `source`.
  private func ownShare(
    of host: Int, _ sourceCounts: UnsafeBufferPointer<Int32>, source: Int
  ) -> Int {
    let rank = hosts.ranks[host]
    guard servesOwnFirst, classOfSource[rank] == classOfSource[source] else { return 0 }
    return min(
      Int(sourceCounts[rank * hosts.expertCount + hosts.experts[host]]),
      classShare(classOfSource[rank] * hosts.count + host))
  }

  /// Numbers the assignments that own copies leave over.
  private func number(_ sourceCounts: UnsafeBufferPointer<Int32>) {
    let experts = hosts.expertCount
    for index in before.indices { before[index] = Int(sourceCounts[index]) }
    if servesOwnFirst {
      for (host, rank) in hosts.ranks.enumerated() {
        before[rank * experts + hosts.experts[host]] -= ownShare(
          of: host, sourceCounts, source: rank)
      }
    }
    // Exclusive sums within a class; `counts` has served its purpose.
    for index in counts.indices { counts[index] = 0 }
    for (source, group) in classOfSource.enumerated() {
      for expert in 0..<experts {
        let rest = before[source * experts + expert]
        before[source * experts + expert] = counts[group * experts + expert]
        counts[group * experts + expert] += rest
      }
    }
  }
}
