// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the traffic counters on small cases and by their properties.

import CostModel
import Placement
import Testing
import Workloads

@Suite struct TrafficCountersTests {
  private let topology = Topology(ranks: 4, nodes: 2)

  /// 4 ranks, nodes {0, 1} and {2, 3}, 8 experts, K = 2; (source, experts) of each token.
  private let tokens: [(Int, [Int32])] = [
    (0, [0, 1]), (0, [0, 4]), (1, [2, 3]), (1, [4, 5]), (2, [4, 6]), (2, [0, 1]), (3, [6, 7]),
    (3, [2, 7]),
  ]

  private func counters(_ placement: ExpertPlacement) -> TrafficCounters {
    var counters = TrafficCounters(placement: placement, topology: topology)
    let slotOfExpert = placement.logicalToPhysical(layerRow: 0).slots
    for (source, experts) in tokens {
      let slots = experts.map { slotOfExpert[Int($0)] }
      slots.withUnsafeBufferPointer {
        counters.add(layerRow: 0, sourceRank: source, slots: $0, topK: 2)
      }
    }
    return counters
  }

  private func place(_ name: String, experts: Int = 8) throws -> ExpertPlacement {
    try PlacementSpec(parsing: name).place(
      load: LoadHistogram(layers: [0], expertCount: experts), topology: topology, groups: 1,
      modelLayers: [])
  }

  @Test func contiguousHasTheKnownCounters() throws {
    let traffic = counters(try place("contiguous")).layer(0)
    #expect(traffic.tokens == 8 && traffic.assignments == 16)
    #expect(traffic.receivedPerRank == [5, 3, 4, 4])
    #expect(traffic.receivedPerNode == [8, 8])
    #expect(traffic.offRankRaw == 7 && traffic.offRankRankDedup == 5)
    #expect(traffic.offNodeRaw == 6)
    #expect(traffic.offNodeRankDedup == 4 && traffic.offNodeNodeDedup == 4)
    #expect(traffic.fanOutRanks == 1.375 && traffic.fanOutNodes == 1.25)
    #expect(
      traffic.rankDedup.counts == [2, 0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 2])
  }

  @Test func roundRobinHasTheKnownCounters() throws {
    let traffic = counters(try place("round-robin")).layer(0)
    #expect(traffic.receivedPerRank == [6, 3, 4, 3])
    #expect(traffic.offRankRaw == 9 && traffic.offRankRankDedup == 9)
    #expect(traffic.offNodeRaw == 5)
    #expect(traffic.offNodeRankDedup == 5 && traffic.offNodeNodeDedup == 3)
    #expect(traffic.fanOutRanks == 1.875 && traffic.fanOutNodes == 1.125)
    #expect(
      traffic.rankDedup.counts == [2, 1, 0, 0, 1, 1, 1, 1, 2, 1, 1, 0, 0, 0, 2, 2])
  }

  @Test func activatedExpertsAreThoseWithAssignments() throws {
    let counters = counters(try place("contiguous"))
    #expect(counters.rowsPerSlot(layerRow: 0) == [3, 2, 2, 1, 3, 1, 2, 2])
    #expect(counters.activatedExpertsPerRank(layerRow: 0) == [2, 2, 2, 2])
    // Two copies of expert 0 on rank 0 are one expert.
    let twice = try ExpertPlacement(
      name: "twice", layers: [0], expertCount: 2, slotOffsets: [0, 2, 3, 3, 3],
      physicalToLogical: [[0, 0, 1]])
    var small = TrafficCounters(placement: twice, topology: topology)
    [0, 1].withUnsafeBufferPointer {
      small.add(layerRow: 0, sourceRank: 0, slots: $0, topK: 1)
    }
    #expect(small.activatedExpertsPerRank(layerRow: 0) == [1, 0, 0, 0])
  }

  @Test func droppedAssignmentsAreCountedAndSentNowhere() throws {
    var counters = TrafficCounters(placement: try place("contiguous"), topology: topology)
    [0, -1, -1, -1, 7, 6].withUnsafeBufferPointer {
      counters.add(layerRow: 0, sourceRank: 1, slots: $0, topK: 2)
    }
    let traffic = counters.layer(0)
    #expect(traffic.tokens == 3 && traffic.assignments == 3)
    #expect(traffic.droppedAssignments == 3 && traffic.droppedTokens == 1)
    #expect(traffic.tokenRankPairs == 2 && traffic.fanOutRanks == 2.0 / 3)
  }

  @Test func partsAddUpInTheTypeAndAsPlainValues() throws {
    let placement = try place("contiguous")
    let whole = counters(placement)
    var sum = TrafficCounters(placement: placement, topology: topology)
    var values = sum.values
    for (source, experts) in tokens {
      var part = TrafficCounters(placement: placement, topology: topology)
      experts.withUnsafeBufferPointer {
        part.add(layerRow: 0, sourceRank: source, slots: $0, topK: 2)
      }
      sum += part
      for index in values.indices { values[index] += part.values[index] }
    }
    #expect(sum.values == whole.values)
    var replaced = TrafficCounters(placement: placement, topology: topology)
    replaced.replaceValues(values)
    #expect(replaced.layer(0) == whole.layer(0))
    #expect(replaced.total == whole.total)
  }

  private static let specs = ["contiguous", "round-robin", "random:3", "lpt", "eplb+7:global"]

  @Test(arguments: specs, ReplicaChoice.allCases)
  func copiesAreConservedAndDeduplicationNeverAddsAny(spec: String, choice: ReplicaChoice) throws {
    let source = ZipfWorkload(exponent: 0.8, expertCount: 24, topK: 4, layerCount: 3, seed: 2)
    let layers = [0, 1, 2]
    let load = LoadHistogram(source: source, layers: layers, steps: 0..<1, windowSize: 300)
    for topology in [
      Topology(ranks: 1), Topology(ranks: 6, nodes: 3), Topology(ranks: 5, nodes: 2),
    ] {
      let placement = try PlacementSpec(parsing: spec).place(
        load: load, topology: topology, groups: 1, modelLayers: [])
      let workload = WorkloadTraffic(
        source: source, placement: placement, topology: topology, choice: choice)
      for assignment in [TokenAssignment.block, .roundRobin] {
        let ranks = try assignment.ranks(tokenCount: 300, rankCount: topology.rankCount)
        let counters = workload.counters(step: 0, rankOfPosition: ranks)
        for row in layers {
          let traffic = counters.layer(row)
          #expect(traffic.tokens == 300 && traffic.assignments == 1200)
          #expect(traffic.receivedPerRank.reduce(0, +) == 1200)
          #expect(traffic.receivedPerNode.reduce(0, +) == 1200)
          #expect(traffic.local + traffic.offRankRaw == 1200)
          #expect(counters.rowsPerSlot(layerRow: row).reduce(0, +) == 1200)
          let sent = (0..<topology.rankCount).map { rank in
            4 * ranks.filter { Int($0) == rank }.count
          }
          #expect(traffic.raw.rowSums == sent)
          #expect(traffic.offNodeNodeDedup <= traffic.offNodeRankDedup)
          #expect(traffic.offNodeRankDedup <= traffic.offNodeRaw)
          #expect(traffic.offNodeRaw <= traffic.offRankRaw)
          #expect(traffic.offRankRankDedup <= traffic.offRankRaw)
          #expect(traffic.tokenNodePairs <= traffic.tokenRankPairs)
          // Slots sum to the experts' counts: the replica choice loses nothing.
          let perExpert = counters.rowsPerSlot(layerRow: row).enumerated().reduce(
            into: Array(repeating: 0, count: 24)
          ) { $0[Int(placement.physicalToLogical[row][$1.offset])] += $1.element }
          #expect(perExpert == Array(load.row(row)))
        }
      }
    }
  }

  @Test func relabellingRanksInsideANodeChangesNoTotal() throws {
    let source = UniformWorkload(expertCount: 12, topK: 3, seed: 4)
    let order = [1, 0, 3, 2]
    let base = try place("random:5", experts: 12)
    let swapped = try ExpertPlacement(
      name: "swapped", layers: [0], expertCount: 12, slotOffsets: base.slotOffsets,
      physicalToLogical: [order.flatMap { base.physicalToLogical[0][base.slots(ofRank: $0)] }])
    let ranks = try TokenAssignment.block.ranks(tokenCount: 100, rankCount: 4)
    func total(_ placement: ExpertPlacement, _ ranks: [Int32]) -> LayerTraffic {
      WorkloadTraffic(
        source: source, placement: placement, topology: topology, choice: .expertRoundRobin
      ).counters(step: 3, rankOfPosition: ranks).total
    }
    let one = total(base, ranks)
    let other = total(swapped, ranks.map { Int32(order[Int($0)]) })
    #expect(one.local == other.local && one.offRankRankDedup == other.offRankRankDedup)
    #expect(one.offNodeNodeDedup == other.offNodeNodeDedup)
    #expect(one.receivedPerRank == order.map { other.receivedPerRank[$0] })
    #expect(one.fanOutRanks == other.fanOutRanks)
  }
}
