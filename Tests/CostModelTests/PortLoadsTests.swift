// SPDX-License-Identifier: Apache-2.0
// epsim: tests of what passes the ports of ranks.

import CostModel
import MoE
import Testing

@Suite struct PortLoadsTests {
  private let row = Bytes(100)

  @Test func sumsOfAMatrixAreThoseOfItsPairs() {
    for seed in 0..<20 as Range<UInt64> {
      let traffic = randomTraffic(mixedNodes.rankCount, seed: seed)
      let loads = PortLoads(
        traffic, topology: mixedNodes, nodesPerLeaf: 2, bytesPerCopy: row)
      let slow = SlowLoads(traffic, mixedNodes, nodesPerLeaf: 2)
      #expect(loads.insideEgress.pairs == slow.insideEgress)
      #expect(loads.insideIngress.pairs == slow.insideIngress)
      #expect(loads.betweenEgress.pairs == slow.betweenEgress)
      #expect(loads.betweenIngress.pairs == slow.betweenIngress)
      #expect(loads.leafEgress.copies == slow.leafEgress)
      #expect(loads.leafIngress.copies == slow.leafIngress)
    }
  }

  @Test func bytesOfNodesAreThoseOfTheirRanks() {
    // Nodes {0, 1} and {2, 3}: 2 + 2 + 8 leave the first, 2 + 2 + 6 the second.
    let traffic = TrafficMatrix(
      rankCount: 4, counts: [9, 4, 2, 2, 4, 9, 0, 8, 2, 2, 9, 4, 6, 0, 4, 9])
    let loads = PortLoads(
      traffic, topology: Topology(ranks: 4, nodes: 2), bytesPerCopy: Bytes(1),
      bytesPerMessage: Bytes(0.25))
    // 3 and 3 messages.
    #expect(loads.bytesPerNode(\.betweenEgress) == [Bytes(12.75), Bytes(10.75)])
    #expect(loads.bytesPerNode(\.betweenIngress) == [Bytes(10.75), Bytes(12.75)])
    #expect(loads.bytes(\.insideEgress, at: 3) == Bytes(4.25))
    let back = loads.reversed(bytesPerCopy: Bytes(2))
    #expect(back.bytesPerNode(\.betweenEgress) == [Bytes(20), Bytes(24)])
  }

  @Test func theWayBackIsThatOfTheTransposedMatrix() {
    let ranks = mixedNodes.rankCount
    let traffic = randomTraffic(ranks, seed: 3)
    var transposed = TrafficMatrix(rankCount: ranks)
    for source in 0..<ranks {
      for destination in 0..<ranks {
        transposed[destination, source] = traffic[source, destination]
      }
    }
    let back = PortLoads(traffic, topology: mixedNodes, nodesPerLeaf: 3, bytesPerCopy: row)
      .reversed(bytesPerCopy: Bytes(7), bytesPerMessage: Bytes(2))
    #expect(
      back
        == PortLoads(
          transposed, topology: mixedNodes, nodesPerLeaf: 3, bytesPerCopy: Bytes(7),
          bytesPerMessage: Bytes(2)))
  }

  @Test func countsBySlotGiveTheLoadsOfTheirMatrix() {
    let (ranks, slots) = (mixedNodes.rankCount, 17)
    let random = CounterRandom(seed: 5)
    // Rank 4 has no slot, rank 2 several.
    let rankOfSlot = (0..<slots).map { [0, 2, 3, 7, 2, 9, 10, 1, 2, 5][$0 % 10] }
    let counts = SourceCounts(
      rankCount: ranks, slotCount: slots,
      values: (0..<ranks * slots).map { (random.unit(at: UInt64($0)) * 9 - 4).rounded(.down) }
        .map { max(0, $0) })
    var traffic = TrafficMatrix(rankCount: ranks)
    for source in 0..<ranks {
      for slot in 0..<slots {
        traffic[source, rankOfSlot[slot]] += Int(counts.values[source * slots + slot])
      }
    }
    let loads = PortLoads(
      counts, rankOfSlot: rankOfSlot, topology: mixedNodes, nodesPerLeaf: 2, bytesPerCopy: row)
    #expect(
      loads == PortLoads(traffic, topology: mixedNodes, nodesPerLeaf: 2, bytesPerCopy: row))
    #expect(counts.sums.perSource == traffic.rowSums.map { Double($0) })
    let load = SlotLoads(
      perSlot: counts.sums.perSlot, rankOfSlot: rankOfSlot, rankCount: ranks)
    #expect(load.rows == traffic.columnSums.map { Double($0) })
    #expect(load.active[4] == 0 && load.active.reduce(0, +) == 17)
  }

  @Test func replicasShareTheAssignmentsOfTheirExpert() {
    let counts = SourceCounts(
      rankCount: 2, expertCount: 2, counts: [6, 3, 0, 9], expertOfSlot: [0, 1, 1, 1])
    #expect(counts.values == [6, 1, 1, 1, 0, 3, 3, 3])
    // Fractions that rounding does not split evenly leave nothing where there is no message.
    let thirds = SourceCounts(
      rankCount: 3, expertCount: 1, counts: [0.1, 0.7, 1.1], expertOfSlot: [0, 0, 0])
    let loads = PortLoads(
      thirds, rankOfSlot: [0, 1, 2], topology: Topology(ranks: 3), bytesPerCopy: row)
    #expect(loads.betweenEgress.copies == [0, 0, 0] && loads.betweenIngress.copies == [0, 0, 0])
  }

  @Test func sumsPerNodeGiveTheLoadsOfADenseMatrix() {
    let topology = mixedNodes
    let (ranks, nodes) = (topology.rankCount, topology.nodeCount)
    var traffic = randomTraffic(ranks, seed: 8, empty: 0)
    for index in 0..<ranks * ranks { traffic[index / ranks, index % ranks] += 5 }
    var sent = Array(repeating: 0.0, count: ranks * nodes)
    var received = sent
    for source in 0..<ranks {
      for destination in 0..<ranks {
        let copies = Double(traffic[source, destination])
        sent[source * nodes + topology.nodeOfRank[destination]] += copies
        received[destination * nodes + topology.nodeOfRank[source]] += copies
      }
    }
    let own = (0..<ranks).map { Double(traffic[$0, $0]) }
    for nodesPerLeaf in [nil, 1, 2, 3, 9] {
      #expect(
        PortLoads(
          sent: sent, received: received, own: own, topology: topology,
          nodesPerLeaf: nodesPerLeaf, bytesPerCopy: row)
          == PortLoads(
            traffic, topology: topology, nodesPerLeaf: nodesPerLeaf, bytesPerCopy: row))
    }
  }

  @Test func aCopyPerNodeIsPassedOnByItsPartner() {
    // Nodes {0, 1} and {2, 3}. The partner of rank 0 on the second node is the first of it, turned
    // by the number of the source's node: 2; of rank 1 3; of 2 the rank 1, of 3 the rank 0.
    let topology = Topology(ranks: 4, nodes: 2)
    let partners = NodePartners(topology)
    #expect((0..<4).map { partners.partner(of: $0, on: 0) } == [0, 1, 1, 0])
    #expect((0..<4).map { partners.partner(of: $0, on: 1) } == [2, 3, 2, 3])
    // Rank 0 has 10 tokens for the second node: 6 for rank 2, 7 for rank 3; and 5 for rank 1.
    var passedOn = TrafficMatrix(rankCount: 4)
    (passedOn[0, 2], passedOn[0, 3], passedOn[0, 1]) = (6, 7, 5)
    // Rank 3 has 4 tokens for the first node, all for both ranks of it.
    (passedOn[3, 0], passedOn[3, 1]) = (4, 4)
    let loads = PortLoads(
      nodeDedup: [5, 10, 0, 0, 0, 0, 4, 0], passedOn: passedOn, topology: topology,
      nodesPerLeaf: 1, bytesPerCopy: row)
    #expect(loads.betweenEgress.copies == [10, 0, 0, 4])
    #expect(loads.betweenIngress.copies == [4, 0, 10, 0])
    #expect(loads.betweenIngress.messages == [1, 0, 1, 0])
    // Rank 0 passes on its own 5 and 4 of rank 3 to rank 1, in one message; rank 2 7 to rank 3.
    #expect(loads.insideEgress.copies == [9, 0, 7, 0])
    #expect(loads.insideIngress.copies == [0, 9, 0, 7])
    #expect(loads.insideIngress.messages == [0, 1, 0, 1])
    #expect(loads.leafEgress.copies == [10, 4] && loads.leafIngress.copies == [4, 10])
  }

  @Test func withOneRankPerNodeDedupIsAPlainExchange() {
    let topology = Topology(ranks: 5, nodes: 5)
    let traffic = randomTraffic(5, seed: 2)
    #expect(
      PortLoads(
        nodeDedup: traffic.counts, passedOn: traffic, topology: topology, nodesPerLeaf: 2,
        bytesPerCopy: row)
        == PortLoads(traffic, topology: topology, nodesPerLeaf: 2, bytesPerCopy: row))
  }

  @Test func partnersAreSpreadEvenly() {
    for topology in [mixedNodes, Topology(ranks: 24, nodes: 3), Topology(ranks: 9, nodes: 4)] {
      let partners = NodePartners(topology)
      for home in 0..<topology.nodeCount {
        let sources = topology.nodeOfRank.indices.filter { topology.nodeOfRank[$0] == home }
        for node in 0..<topology.nodeCount where node != home {
          var taken = Array(repeating: 0, count: topology.rankCount)
          for source in sources {
            let partner = partners.partner(of: source, on: node)
            #expect(topology.nodeOfRank[partner] == node)
            taken[partner] += 1
          }
          let size = topology.nodeOfRank.count { $0 == node }
          #expect(taken.max()! <= (sources.count + size - 1) / size)
        }
      }
    }
  }
}
