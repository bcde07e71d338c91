// SPDX-License-Identifier: Apache-2.0
// epsim: tests of exchanges on switches, rails and leaves.

import CostModel
import MoE
import Projection
import Testing

@Suite struct FlowFabricTests {
  /// 8 B/s inside, 1 B/s between nodes, unless said otherwise.
  static func network(
    ranksPerPort: Int = 1, insideTotal: BytesPerSecond = .infinity,
    nodeTotal: BytesPerSecond = .infinity, leaves: NetworkParameters.LeafLevel? = nil,
    latency: Double = 0
  ) -> NetworkParameters {
    NetworkParameters(
      inside: LinkParameters(latency: Seconds(latency), bandwidth: BytesPerSecond(8)),
      insideTotal: insideTotal,
      between: LinkParameters(latency: Seconds(3 * latency), bandwidth: BytesPerSecond(1)),
      ranksPerPort: ranksPerPort, nodeTotal: nodeTotal, leaves: leaves)
  }

  static func uniform(_ ranks: Int, _ copies: Int = 1) -> TrafficMatrix {
    TrafficMatrix(rankCount: ranks, counts: Array(repeating: copies, count: ranks * ranks))
  }

  static func random(_ ranks: Int, seed: UInt64) -> TrafficMatrix {
    let random = CounterRandom(seed: seed, 5)
    return TrafficMatrix(
      rankCount: ranks,
      counts: (0..<ranks * ranks).map { Int(random.unit(at: UInt64($0)) * 20) - 4 }
        .map { max(0, $0) })
  }

  static func leaves(_ nodes: Int, _ uplinks: Double) -> NetworkParameters.LeafLevel {
    NetworkParameters.LeafLevel(nodesPerLeaf: nodes, uplinks: BytesPerSecond(uplinks))
  }

  @Test func uniformTrafficOnAStarMeetsThePortBound() throws {
    let fabric = try FlowFabric(Topology(ranks: 16, nodes: 16), Self.network())
    let exchange = try FlowExchange(of: Self.uniform(16), bytesPerCopy: Bytes(2), on: fabric)
    // 15 copies of 2 B at 1 B/s.
    #expect(exchange.total.value == 30 && exchange.bound.value == 30 && exchange.grain == .kinds)
    #expect(exchange.limitInWords == "NIC egress of every rank, busy 100 % of the exchange")
    let pairs = try FlowExchange(
      of: Self.uniform(16), bytesPerCopy: Bytes(2), on: fabric, grain: .pairs)
    #expect(abs(pairs.total.value - 30) < 1e-9 && pairs.fillings == 1)
    #expect(pairs.limitInWords == "NIC egress of rank 0, busy 100 % of the exchange")
  }

  @Test(arguments: [
    FlowFabric.Wiring.leaves, .rails(.spine), .rails(.insideFirst),
  ])
  func skewedTrafficIsNeverFasterThanItsBusiestLink(wiring: FlowFabric.Wiring) throws {
    for seed in 0..<20 as Range<UInt64> {
      let topology = Topology(ranks: 8, nodes: 4)
      let fabric = try FlowFabric(
        topology, Self.network(nodeTotal: BytesPerSecond(1.5), leaves: Self.leaves(2, 0.7)),
        wiring: wiring)
      let traffic = Self.random(8, seed: seed)
      let exchange = try FlowExchange(
        of: traffic, bytesPerCopy: Bytes(1), on: fabric, resolution: 1e-12)
      #expect(exchange.total >= exchange.bound * (1 - 1e-9))
      let coarse = try FlowExchange(of: traffic, bytesPerCopy: Bytes(1), on: fabric)
      #expect(abs(coarse.total / exchange.total - 1) < 0.02)
    }
  }

  @Test(arguments: [1, 2, 4])
  func coarseGrainsAreExactWherePairsAreEqual(ranksPerPort: Int) throws {
    for wiring in [FlowFabric.Wiring.leaves, .rails(.spine), .rails(.insideFirst)] {
      for leaves in [nil, Self.leaves(2, 0.5), Self.leaves(1, 3)] {
        let fabric = try FlowFabric(
          Topology(ranks: 16, nodes: 4),
          Self.network(
            ranksPerPort: ranksPerPort, insideTotal: BytesPerSecond(6),
            nodeTotal: BytesPerSecond(3.5), leaves: leaves, latency: 0.25),
          wiring: wiring)
        let traffic = Self.uniform(16, 3)
        func time(_ grain: FlowExchange.Grain) throws -> Double {
          try FlowExchange(
            of: traffic, bytesPerCopy: Bytes(1), on: fabric, grain: grain, resolution: 1e-12
          ).total.value
        }
        let pairs = try time(.pairs)
        for grain in [FlowExchange.Grain.nodes, .pods, .kinds] {
          #expect(
            abs(pairs / (try time(grain)) - 1) < 1e-9,
            "\(grain), \(wiring), leaves \(leaves as Any)")
        }
        // 4 x 3 pairs of 3 B in a node, 4 x 4 between two.
        let bytes: [Double] = (0..<16).map { $0 % 5 == 0 ? 36 : 48 }
        let sums = NodeTraffic(bytes: bytes, on: fabric)
        let direct = FlowTimes(of: try fabric.nodeFlows(of: sums)).total.value
        #expect(abs(pairs / direct - 1) < 1e-9, "\(wiring), leaves \(leaves as Any)")
      }
    }
  }

  @Test func ranksOnOneNICAreExactByRoute() throws {
    // Pairs of the same two nodes share a route; the same flows with a route each take as long.
    let fabric = try FlowFabric(Topology(ranks: 12, nodes: 3), Self.network(ranksPerPort: 4))
    let traffic = Self.random(12, seed: 3)
    let flows = try fabric.pairFlows(of: traffic, bytesPerCopy: Bytes(1))
    #expect(flows.routeCount < 3 * 12 + 3 * 2 + 1)
    var each = FlowReference(capacities: [], flows: [])
    // Links: out of and into each node's NIC, then each rank's ports inside.
    each.capacities =
      Array(repeating: 1, count: 6) + Array(repeating: 8, count: 24)
    for source in 0..<12 {
      for destination in 0..<12 where source != destination {
        let bytes = Double(traffic[source, destination])
        let (start, end) = (source / 4, destination / 4)
        let route =
          start == end
          ? [6 + source, 18 + destination] : [start, 3 + end]
        each.flows.append(.init(route: route, bytes: bytes))
      }
    }
    let expected = FlowTimes(of: each.network).total
    #expect(abs(FlowTimes(of: flows).total / expected - 1) < 1e-9)
  }

  @Test func oversubscribedUplinksBind() throws {
    // 4 nodes on 2 leaves, uplinks for one port: 2 ports share 1 B/s to the other leaf.
    let topology = Topology(ranks: 4, nodes: 4)
    func time(_ uplinks: Double) throws -> FlowExchange {
      try FlowExchange(
        of: Self.uniform(4), bytesPerCopy: Bytes(1),
        on: FlowFabric(topology, Self.network(leaves: Self.leaves(2, uplinks))))
    }
    // Non-blocking: 3 B a port. With 1 B/s up: 2 x 2 B leave each leaf.
    #expect(abs(try time(2).total.value - 3) < 1e-9)
    let bound = try time(1)
    #expect(abs(bound.total.value - 4) < 1e-9)
    #expect(bound.limit == "uplinks of every leaf")
  }

  @Test func railsKeepSameRailTrafficOffTheSpine() throws {
    // 2 nodes of 2 ranks, one pod: rank j of each node on leaf j.
    let topology = Topology(ranks: 4, nodes: 2)
    let network = Self.network(leaves: Self.leaves(2, 0.1))
    var straight = TrafficMatrix(rankCount: 4)
    straight[0, 2] = 1
    straight[1, 3] = 1
    var crossing = TrafficMatrix(rankCount: 4)
    crossing[0, 3] = 1
    func time(_ traffic: TrafficMatrix, _ wiring: FlowFabric.Wiring) throws -> Double {
      try FlowExchange(
        of: traffic, bytesPerCopy: Bytes(1),
        on: FlowFabric(topology, network, wiring: wiring)
      ).total.value
    }
    #expect(abs(try time(straight, .rails(.spine)) - 1) < 1e-9)
    #expect(abs(try time(crossing, .rails(.spine)) - 10) < 1e-9)
    #expect(abs(try time(crossing, .rails(.insideFirst)) - 1) < 1e-9)
  }

  @Test func oneRankOneNodeAndNoBytesAreDefined() throws {
    for (ranks, nodes) in [(1, 1), (4, 1), (4, 4)] {
      let fabric = try FlowFabric(Topology(ranks: ranks, nodes: nodes), Self.network())
      for grain in [FlowExchange.Grain.pairs, .nodes, .pods] {
        let none = try FlowExchange(
          of: TrafficMatrix(rankCount: ranks), bytesPerCopy: Bytes(8), on: fabric, grain: grain)
        #expect(none.total == .zero && none.limitInWords == "nothing moves")
        let time = try FlowExchange(
          of: Self.uniform(ranks), bytesPerCopy: Bytes(8), on: fabric, grain: grain)
        // 3 copies of 8 B at 8 B/s inside, at 1 B/s between nodes.
        #expect(time.total.value == (ranks == 1 ? 0 : nodes == 1 ? 3 : 24))
      }
    }
  }

  @Test func podsBindWhereTheirUplinksDo() throws {
    // 2 pods of 2 nodes; node 0 sends 6 B up, node 1 2 B: 8 B over an uplink of 0.5 B/s.
    let fabric = try FlowFabric(
      Topology(ranks: 4, nodes: 4), Self.network(leaves: Self.leaves(2, 0.5)))
    var traffic = TrafficMatrix(rankCount: 4)
    traffic[0, 2] = 6
    traffic[1, 3] = 2
    for grain in [FlowExchange.Grain.pairs, .nodes, .pods] {
      let exchange = try FlowExchange(
        of: traffic, bytesPerCopy: Bytes(1), on: fabric, grain: grain)
      #expect(exchange.total.value == 16 && exchange.limit == "uplinks of leaf 0")
    }
  }

  @Test func theOrderOfRanksInANodeDoesNotMatter() throws {
    let network = Self.network(nodeTotal: BytesPerSecond(3), leaves: Self.leaves(1, 2))
    let fabric = try FlowFabric(Topology(ranks: 9, nodes: 3), network)
    let traffic = Self.random(9, seed: 8)
    // Ranks 0 and 2, 4 and 5 change names.
    let names = [2, 1, 0, 3, 5, 4, 6, 7, 8]
    var renamed = TrafficMatrix(rankCount: 9)
    for source in 0..<9 {
      for destination in 0..<9 {
        renamed[names[source], names[destination]] = traffic[source, destination]
      }
    }
    for grain in [FlowExchange.Grain.pairs, .nodes] {
      let times = try [traffic, renamed].map {
        try FlowExchange(
          of: $0, bytesPerCopy: Bytes(1), on: fabric, grain: grain, resolution: 1e-12
        ).total.value
      }
      #expect(abs(times[0] / times[1] - 1) < 1e-9)
    }
  }

  @Test func nodesAreNeverFasterThanThePortsOfTheirRanks() throws {
    // All rows of a node for one rank of another: its own port binds, not the node's two.
    let fabric = try FlowFabric(Topology(ranks: 4, nodes: 2), Self.network())
    var traffic = TrafficMatrix(rankCount: 4)
    traffic[0, 3] = 4
    traffic[1, 3] = 4
    for grain in [FlowExchange.Grain.nodes, .pods] {
      let exchange = try FlowExchange(
        of: traffic, bytesPerCopy: Bytes(1), on: fabric, grain: grain)
      #expect(exchange.total.value == 8 && exchange.limit == "NIC ingress of rank 3")
    }
  }

  @Test func unequalNodesAndMissingRailsAreDefined() throws {
    let topology = Topology(nodeOfRank: [0, 0, 0, 1, 2, 2])
    for wiring in [FlowFabric.Wiring.leaves, .rails(.spine), .rails(.insideFirst)] {
      let fabric = try FlowFabric(
        topology, Self.network(ranksPerPort: 2, leaves: Self.leaves(2, 1)), wiring: wiring)
      for grain in [FlowExchange.Grain.pairs, .nodes, .pods] {
        let time = try FlowExchange(
          of: Self.uniform(6), bytesPerCopy: Bytes(1), on: fabric, grain: grain)
        #expect(time.total.value > 0 && time.total.value < 100)
      }
    }
  }

  @Test func impossibleNetworksAreRefused() throws {
    let topology = Topology(ranks: 2, nodes: 2)
    var network = Self.network()
    network.nodeTotal = .zero
    #expect(throws: InputError.self) { try FlowFabric(topology, network) }
    network = Self.network()
    network.between = LinkParameters(latency: Seconds(-1), bandwidth: BytesPerSecond(1))
    #expect(throws: InputError.self) { try FlowFabric(topology, network) }
    network = Self.network(ranksPerPort: 0)
    #expect(throws: InputError.self) { try FlowFabric(topology, network) }
    network = Self.network(leaves: Self.leaves(0, 1))
    #expect(throws: InputError.self) { try FlowFabric(topology, network) }
    let fabric = try FlowFabric(topology, Self.network())
    #expect(throws: InputError.self) {
      try FlowExchange(of: Self.uniform(2), bytesPerCopy: Bytes(.nan), on: fabric)
    }
    let many = try FlowFabric(Topology(ranks: 1449, nodes: 1449), Self.network())
    for grain in [FlowExchange.Grain.pairs, .nodes] {
      #expect(throws: InputError.self) {
        try FlowExchange(
          of: TrafficMatrix(rankCount: 1449), bytesPerCopy: Bytes(1), on: many, grain: grain)
      }
    }
    let single = try FlowFabric(
      Topology(ranks: 1449, nodes: 1449), Self.network(leaves: Self.leaves(1, 1)))
    #expect(throws: InputError.self) {
      try FlowExchange(
        of: TrafficMatrix(rankCount: 1449), bytesPerCopy: Bytes(1), on: single, grain: .pods)
    }
    var skewed = Self.uniform(2)
    skewed[0, 1] = 7
    #expect(throws: InputError.self) {
      try FlowExchange(of: skewed, bytesPerCopy: Bytes(1), on: fabric, grain: .kinds)
    }
  }
}
