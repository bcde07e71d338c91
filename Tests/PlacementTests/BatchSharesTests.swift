// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the rules that look at the tokens of all ranks.

import CostModel
import Placement
import Testing
import Workloads

@Suite struct BatchSharesTests {
  private static let instances = 0..<200

  private func instance(_ number: Int) throws -> RandomInstance {
    try RandomInstance(number, ranks: 1...6, experts: 1...7, tokens: 12)
  }

  private func largest(_ counters: TrafficCounters) -> Int {
    counters.layer(0).receivedPerRank.max()!
  }

  private func active(_ counters: TrafficCounters) -> Int {
    counters.activatedExpertsPerRank(layerRow: 0).max()!
  }

  /// Whole assignments reach the exact bound, rounded up, and no rule stays below it.
  @Test func noRuleHasLessOnItsFullestRankThanASplit() throws {
    for number in Self.instances {
      let instance = try instance(number)
      let bound = try SplitBound(
        placement: instance.placement, layerRow: 0, load: instance.tokens.load)
      let split = instance.counters(.minMaxSplit)
      #expect(largest(split) == bound.wholeValue, "instance \(number)")
      for choice in ReplicaChoice.allCases {
        #expect(
          largest(instance.counters(choice)) >= bound.wholeValue, "\(choice) of \(number)")
      }
    }
  }

  /// Against every way to serve every assignment: the fewest that leave their node.
  @Test func localSplitLeavesNodesAsRarelyAsTheSmallestLoadAllows() throws {
    var compared = 0
    for number in Self.instances {
      let instance = try instance(number)
      let nodes = instance.topology.nodeOfRank
      // For all loads of ranks that can be reached: the fewest copies between nodes.
      var reached = [Array(repeating: 0, count: nodes.count): 0]
      for (source, experts) in zip(instance.tokens.sources, instance.tokens.experts) {
        for expert in experts where expert >= 0 {
          var next: [[Int]: Int] = [:]
          for (loads, copies) in reached {
            for rank in instance.hosts(of: Int(expert)) {
              var loads = loads
              loads[rank] += 1
              let sum = copies + (nodes[rank] == nodes[Int(source)] ? 0 : 1)
              next[loads] = min(next[loads] ?? .max, sum)
            }
          }
          reached = next
          guard reached.count < 4000 else { break }
        }
      }
      guard reached.count < 4000 else { continue }
      compared += 1
      let least = reached.keys.map { $0.max()! }.min()!
      let fewest = reached.filter { $0.key.max()! == least }.values.min()!
      let local = instance.counters(.localSplit)
      #expect(largest(local) == least, "instance \(number)")
      #expect(local.layer(0).offNodeRaw == fewest, "instance \(number)")
      #expect(fewest <= instance.counters(.minMaxSplit).layer(0).offNodeRaw)
    }
    #expect(compared > 100)
  }

  /// Against every way to give each active expert one rank.
  @Test func fewestActiveHasTheSmallestLargestNumberOfExperts() throws {
    for number in Self.instances {
      let instance = try instance(number)
      var reached: Set<[Int]> = [Array(repeating: 0, count: instance.topology.rankCount)]
      for (expert, load) in instance.tokens.load.enumerated() where load > 0 {
        reached = Set(
          reached.flatMap { counts in
            instance.hosts(of: expert).map { rank in
              var counts = counts
              counts[rank] += 1
              return counts
            }
          })
      }
      let least = reached.map { $0.max()! }.min()!
      #expect(active(instance.counters(.fewestActive)) == least, "instance \(number)")
      for choice in ReplicaChoice.allCases {
        #expect(active(instance.counters(choice)) >= least, "\(choice) of \(number)")
      }
    }
  }

  /// Two ranks that both hold A and B; 6 assignments of A, 2 of B.
  @Test func fewestActiveTradesTokensForExperts() throws {
    let placement = try ExpertPlacement(
      name: "both", layers: [0], expertCount: 2, slotOffsets: [0, 2, 4],
      physicalToLogical: [[0, 1, 0, 1]])
    let tokens = ListedTokens(counts: [[6, 2], [0, 0]])
    let topology = Topology(ranks: 2)
    let inTurn = tokens.counters(placement, topology, .expertRoundRobin)
    #expect(inTurn.layer(0).receivedPerRank == [4, 4] && active(inTurn) == 2)
    let fewest = tokens.counters(placement, topology, .fewestActive)
    #expect(fewest.layer(0).receivedPerRank == [6, 2] && active(fewest) == 1)
  }

  /// The shares of all sources are the batch, source by source and slot by slot.
  @Test(arguments: ReplicaChoice.allCases.filter(\.needsCounts))
  func sharesAreTheBatch(choice: ReplicaChoice) throws {
    for number in Self.instances {
      let instance = try instance(number)
      let (placement, topology) = (instance.placement, instance.topology)
      let batch = try #require(
        BatchShares(placement: placement, layerRow: 0, topology: topology, choice: choice))
      // A batch before it leaves no trace.
      for counts in [
        instance.tokens.counts(rankCount: topology.rankCount).map { $0 &* 3 &+ 1 },
        instance.tokens.counts(rankCount: topology.rankCount),
      ] {
        counts.withUnsafeBufferPointer { batch.solve($0) }
        var loads = Array(repeating: 0, count: topology.rankCount)
        for source in 0..<topology.rankCount {
          var shares = Array(repeating: Int32(-5), count: placement.slotCount)
          shares.withUnsafeMutableBufferPointer { shares in
            counts.withUnsafeBufferPointer { batch.fill(shares, ofSource: source, $0) }
          }
          var perExpert = Array(repeating: Int32(0), count: placement.expertCount)
          for (slot, share) in shares.enumerated() {
            #expect(share >= 0)
            perExpert[Int(placement.physicalToLogical[0][slot])] += share
            loads[placement.rank(ofSlot: slot)] += Int(share)
          }
          let row = source * placement.expertCount
          #expect(
            perExpert[...] == counts[row..<row + placement.expertCount],
            "\(choice), instance \(number), source \(source)")
        }
        #expect(loads == batch.loads, "\(choice), instance \(number)")
      }
    }
  }

  @Test func otherRulesNeedNoCounts() throws {
    let instance = try instance(1)
    for choice in ReplicaChoice.allCases where !choice.needsCounts {
      #expect(
        BatchShares(
          placement: instance.placement, layerRow: 0, topology: instance.topology, choice: choice)
          == nil)
    }
  }

  /// Own rank, else own node, else everywhere; turns in proportion to 1 / load.
  @Test func tiersTakeTurnsByTheLoadOfTheirRanks() throws {
    // Expert 0 on ranks 0, 1 (node 0) and 2 (node 1); experts 1 and 2 keep ranks 1 and 0 busy.
    let placement = try ExpertPlacement(
      name: "tiers", layers: [0], expertCount: 3, slotOffsets: [0, 2, 4, 5, 5, 5, 5],
      physicalToLogical: [[0, 2, 0, 1, 0]])
    let topology = Topology(nodeOfRank: [0, 0, 1, 1, 0, 2])
    // Expert 0 is dealt 12 to each; rank 0 has 12 more, rank 1 36 more: loads 24, 48, 12.
    let tokens = ListedTokens(
      counts: [[4, 12, 0], [5, 24, 12], [6, 0, 0], [6, 0, 0], [9, 0, 0], [6, 0, 0]])
    let traffic = tokens.counters(placement, topology, .tieredRoundRobin).layer(0)
    // Ranks 0, 1 and 2 serve their own. Rank 3 has its node's copy. Rank 4 takes turns 2 : 1 on its
    // node. Rank 5 has shares of 12/7, 6/7 and 24/7 among all: the next turns are a tie at 48 each.
    let raw = traffic.raw
    #expect(raw[3, 2] == 6)
    #expect([raw[4, 0], raw[4, 1], raw[4, 2]] == [6, 3, 0])
    #expect([raw[5, 0], raw[5, 1], raw[5, 2]] == [2, 1, 3])
  }
}
