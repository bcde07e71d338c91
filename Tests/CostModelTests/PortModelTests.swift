// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the port-serialisation bound.

import CostModel
import MoE
import Testing

@Suite struct PortModelTests {
  private let row = Bytes(1000)

  private func time(
    _ traffic: TrafficMatrix, _ topology: Topology, _ network: NetworkParameters,
    hops: ExchangeHops = .pipelined
  ) -> ExchangeTime {
    network.time(
      of: PortLoads(
        traffic, topology: topology, nodesPerLeaf: network.leaves?.nodesPerLeaf,
        bytesPerCopy: row), topology: topology, hops: hops)
  }

  private func uniform(_ ranks: Int, _ copies: Int) -> TrafficMatrix {
    TrafficMatrix(rankCount: ranks, counts: Array(repeating: copies, count: ranks * ranks))
  }

  @Test func uniformTrafficTakesTheBoundOfItsPort() {
    // 4 nodes of 2 ranks with a port each: 5 us, 4 us times 3/4, 6 messages of 3 us, each of 50 kB
    // at 2 GB/s.
    let network = NetworkParameters(
      fixed: .microseconds(5), perNodeShare: .microseconds(4),
      inside: LinkParameters(latency: .microseconds(1), bandwidth: .gigabytes(10)),
      between: LinkParameters(latency: .microseconds(3), bandwidth: .gigabytes(2)))
    let result = time(uniform(8, 50), Topology(ranks: 8, nodes: 4), network)
    #expect(isClose(result.total.microseconds, 176))
    #expect(result.perRank.allSatisfy { $0 == result.total })
    #expect(result.binding == .portEgress(node: 0, port: 0))
    #expect(isClose(result.bindingTime.microseconds, 150))
    // On one node: 5 us, 7 messages of 1 us and 50 kB at 10 GB/s.
    let single = time(uniform(8, 50), Topology(ranks: 8), network)
    #expect(isClose(single.total.microseconds, 47))
    #expect(single.binding == .rankEgress(rank: 0))
  }

  @Test func everySharedLimitBindsWhereItIsTheSlowest() {
    let topology = Topology(ranks: 8, nodes: 4)
    let traffic = uniform(8, 50)
    // Both ranks of a node share a port: 12 messages of 3 us, 600 kB; 5 + 3 us for every exchange.
    var network = network(insideTotal: .infinity, nodeTotal: .infinity, uplinks: nil)
    var result = time(traffic, topology, network)
    #expect(isClose(result.total.microseconds, 344))
    #expect(result.binding == .portEgress(node: 0, port: nil))
    // 600 kB of a node at 1 GB/s; messages cost a cap nothing.
    network.nodeTotal = .gigabytes(1)
    result = time(traffic, topology, network)
    #expect(isClose(result.total.microseconds, 608))
    #expect(result.binding == .nodeEgress(node: 0))
    // 2 x 50 kB inside a node at 0.1 GB/s.
    network.insideTotal = .gigabytes(0.1)
    result = time(traffic, topology, network)
    #expect(isClose(result.total.microseconds, 1008))
    #expect(result.binding == .nodeMemory(node: 0))
    // 4 ranks of a leaf with 4 partners outside: 800 kB at 0.5 GB/s.
    network.leaves = NetworkParameters.LeafLevel(nodesPerLeaf: 2, uplinks: .gigabytes(0.5))
    result = time(traffic, topology, network)
    #expect(isClose(result.total.microseconds, 1608))
    #expect(result.binding == .leafEgress(leaf: 0))
    // Uplinks as wide as all ports below bind nothing.
    network.leaves = NetworkParameters.LeafLevel(nodesPerLeaf: 2, uplinks: .infinity)
    #expect(isClose(time(traffic, topology, network).total.microseconds, 1008))
  }

  @Test func theBindingLimitIsToldInWords() {
    var traffic = TrafficMatrix(rankCount: 8)
    // Ranks 6 and 7 are node 3; rank 7 is where everything goes.
    for rank in 0..<6 { traffic[rank, 7] = 100 }
    let topology = Topology(ranks: 8, nodes: 4)
    var network = bareNetwork(between: 1e9)
    var result = time(traffic, topology, network)
    #expect(result.binding == .portIngress(node: 3, port: 1))
    #expect("\(result.binding)" == "NIC 1 ingress of node 3")
    // Only what takes part in the hot port waits for it.
    #expect(isClose(result[7].microseconds, 600) && isClose(result[0].microseconds, 100))
    #expect(result[6] == .zero)
    network.ranksPerPort = 2
    result = time(traffic, topology, network)
    #expect("\(result.binding)" == "NIC ingress of node 3")
    var back = TrafficMatrix(rankCount: 8)
    for rank in 0..<6 { back[7, rank] = 100 }
    #expect("\(time(back, topology, network).binding)" == "NIC egress of node 3")
    #expect(
      "\(time(back, Topology(ranks: 8), bareNetwork(inside: 1)).binding)"
        == "egress of rank 7 inside its node")
    #expect("\(time(uniform(8, 1), topology, bareNetwork(latency: 1)).binding)" == "latency")
    #expect("\(BindingLimit.leafEgress(leaf: 2))" == "uplinks of leaf 2")
  }

  @Test func degenerateExchangesAreDefined() {
    let all = network()
    // One rank exchanges nothing; several pay what every exchange costs.
    #expect(time(uniform(1, 9), Topology(ranks: 1), all).total == .zero)
    #expect(time(uniform(1, 9), Topology(ranks: 1), all).binding == .nothing)
    let empty = time(uniform(8, 0), Topology(ranks: 8, nodes: 4), all)
    #expect(isClose(empty.total.microseconds, 8) && empty.binding == .latency)
    #expect(time(uniform(8, 0), Topology(ranks: 8), all).total == .microseconds(5))
    #expect(time(uniform(8, 0), Topology(ranks: 8), bareNetwork()).binding == .nothing)
    // Infinite bandwidths leave latencies, no latencies nothing.
    let fast = time(uniform(8, 5), Topology(ranks: 8, nodes: 8), bareNetwork(latency: 2))
    #expect(isClose(fast.total.microseconds, 14) && fast.binding == .latency)
    #expect(time(uniform(8, 5), Topology(ranks: 8, nodes: 2), bareNetwork()).total == .zero)
    // Nothing passes a port of no bandwidth, unless there is nothing to pass.
    let cut = bareNetwork(between: 0)
    #expect(time(uniform(4, 1), Topology(ranks: 4, nodes: 2), cut).total == .infinity)
    #expect(time(uniform(4, 1), Topology(ranks: 4), cut).total == .zero)
  }

  @Test func timesGrowWithBytesAndLatencies() {
    let ranks = mixedNodes.rankCount
    for seed in 0..<20 as Range<UInt64> {
      for hops in ExchangeHops.allCases {
        var traffic = randomTraffic(ranks, seed: seed)
        var last = time(traffic, mixedNodes, network(), hops: hops)
        let random = CounterRandom(seed: seed, 1)
        for draw in 0..<10 as Range<UInt64> {
          let cell = Int(random.bits(at: draw) % UInt64(ranks * ranks))
          traffic[cell / ranks, cell % ranks] += 40
          let next = time(traffic, mixedNodes, network(), hops: hops)
          #expect(next.total >= last.total)
          #expect(zip(next.perRank, last.perRank).allSatisfy { $0 >= $1 })
          last = next
        }
        let late = LinkParameters(latency: .microseconds(30), bandwidth: .gigabytes(2))
        let later = time(traffic, mixedNodes, network(between: late), hops: hops)
        #expect(later.total > last.total)
        #expect(zip(later.perRank, last.perRank).allSatisfy { $0 >= $1 })
      }
    }
  }

  @Test func relabellingRanksInsideANodeChangesNothing() {
    // Ports are shared by pairs of neighbours, so whole nodes share one here.
    let (topology, network) = (Topology(ranks: 12, nodes: 3), network(ranksPerPort: 4))
    let relabelled = [2, 0, 3, 1, 4, 7, 6, 5, 9, 10, 11, 8]
    for seed in 0..<20 as Range<UInt64> {
      let traffic = randomTraffic(12, seed: seed)
      var other = TrafficMatrix(rankCount: 12)
      for source in 0..<12 {
        for destination in 0..<12 {
          other[relabelled[source], relabelled[destination]] = traffic[source, destination]
        }
      }
      for hops in ExchangeHops.allCases {
        let (one, two) = (
          time(traffic, topology, network, hops: hops), time(other, topology, network, hops: hops)
        )
        #expect(one.total == two.total)
        #expect((0..<12).allSatisfy { one[$0] == two[relabelled[$0]] })
      }
    }
  }

  @Test func messagesTakeTheSegmentOfTheirSize() {
    let between = LinkParameters(segments: [
      .init(from: .zero, latency: .microseconds(2), bandwidth: .gigabytes(1)),
      .init(from: Bytes(8000), latency: .microseconds(10), bandwidth: .gigabytes(10)),
    ])
    let topology = Topology(ranks: 4, nodes: 4)
    var network = bareNetwork()
    network.between = between
    // 3 messages of 4 kB, of 8 kB.
    #expect(isClose(time(uniform(4, 4), topology, network).total.microseconds, 18))
    #expect(isClose(time(uniform(4, 8), topology, network).total.microseconds, 32.4))
  }

  @Test func hopsOneAfterTheOtherTakeTheirSum() {
    let topology = Topology(ranks: 4, nodes: 2)
    let network = bareNetwork(inside: 1e9, between: 1e9)
    // Rank 0 sends 10 kB to rank 2 between nodes, and 4 kB to rank 1; rank 2 passes 7 kB on.
    var traffic = TrafficMatrix(rankCount: 4)
    (traffic[0, 2], traffic[0, 1], traffic[2, 3]) = (10, 4, 7)
    let pipelined = time(traffic, topology, network)
    let summed = time(traffic, topology, network, hops: .summed)
    #expect(isClose(pipelined.total.microseconds, 10))
    #expect(isClose(summed.total.microseconds, 17))
    #expect(isClose(summed[1].microseconds, 14) && isClose(summed[3].microseconds, 17))
    #expect(summed.binding == .portIngress(node: 1, port: 0))
    // Where everything is inside, order does not matter.
    #expect(
      time(traffic, Topology(ranks: 4), network, hops: .summed).total
        == time(traffic, Topology(ranks: 4), network).total)
  }

  @Test func theRoomOfAnEvaluationIsForgotten() {
    var model = PortModel(network(), topology: mixedNodes)
    var time = ExchangeTime(rankCount: mixedNodes.rankCount)
    for seed in 0..<10 as Range<UInt64> {
      let loads = PortLoads(
        randomTraffic(mixedNodes.rankCount, seed: seed), topology: mixedNodes, nodesPerLeaf: 2,
        bytesPerCopy: row)
      model.evaluate(loads, into: &time)
      let fresh = network().time(of: loads, topology: mixedNodes)
      #expect(time.total == fresh.total && time.binding == fresh.binding)
      #expect(time.perRank == fresh.perRank)
    }
  }
}
