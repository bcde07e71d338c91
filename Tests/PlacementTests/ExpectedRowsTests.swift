// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the rows that an exchange must move, against counting destinations one by one.

import CostModel
import Placement
import Testing
import Workloads

@Suite("Expected rows")
struct ExpectedRowsTests {
  /// Four ranks on two nodes of three and one, two experts each; random choices of three with some
  /// dropped.
  private let topology = Topology(nodeOfRank: [0, 0, 0, 1])

  private func choices() -> [[[Int32]]] {
    var generator = FixedGenerator(state: 7)
    return (0..<4).map { _ in
      (0..<25).map { _ in
        var experts = Array(Int32(0)..<8)
        experts.shuffle(using: &generator)
        return experts.prefix(3).map { Bool.random(using: &generator) ? $0 : -1 }
      }
    }
  }

  private func traffic(_ choices: [[[Int32]]]) throws -> LayerTraffic {
    let placement = try PlacementSpec(parsing: "contiguous").place(
      load: LoadHistogram(layers: [0], expertCount: 8), topology: topology, groups: 1,
      modelLayers: [0])
    var counters = TrafficCounters(placement: placement, topology: topology)
    for (rank, tokens) in choices.enumerated() {
      tokens.flatMap { $0 }.withUnsafeBufferPointer {
        counters.add(layerRow: 0, sourceRank: rank, slots: $0, topK: 3)
      }
    }
    return counters.total
  }

  /// (off-rank, off-node) of the copies that `destinations` names for every token.
  private func count(
    _ choices: [[[Int32]]], _ destinations: ([Int]) -> [Int]
  ) -> (offRank: Int, offNode: Int) {
    var (offRank, offNode) = (0, 0)
    for (source, tokens) in choices.enumerated() {
      for token in tokens {
        for rank in destinations(token.filter { $0 >= 0 }.map { Int($0) / 2 }) {
          offRank += rank != source ? 1 : 0
          offNode += topology.nodeOfRank[rank] != topology.nodeOfRank[source] ? 1 : 0
        }
      }
    }
    return (offRank, offNode)
  }

  @Test("one row per assignment, rank or node, whatever carries it")
  func dispatch() throws {
    let choices = choices()
    let traffic = try traffic(choices)
    let raw = count(choices) { $0 }
    let ranks = count(choices) { Array(Set($0)) }
    let nodes = count(choices) { destinations in
      // One rank of each node stands for it.
      Array(Set(destinations.map { topology.nodeOfRank[$0] == 0 ? 0 : 3 }))
    }
    #expect(nodes.offNode < ranks.offNode || ranks.offNode < raw.offNode)
    for transport in Transport.allCases where transport != .allGather {
      func rows(_ dedup: Dedup, _ combine: CombineRule = .exact) throws -> ExpectedRows {
        try #require(
          traffic.expectedRows(dedup: dedup, transport: transport, combine: combine))
      }
      let none = try rows(.none)
      #expect(none.dispatch.offRank == raw.offRank && none.dispatch.offNode == raw.offNode)
      #expect(none.combine == none.dispatch)
      let rank = try rows(.rank)
      #expect(rank.dispatch.offRank == ranks.offRank && rank.dispatch.offNode == ranks.offNode)
      #expect(rank.combine == none.dispatch)
      let reduced = try rows(.rank, .preReduced)
      #expect(reduced.dispatch == rank.dispatch && reduced.combine == rank.dispatch)
      let node = try rows(.node)
      #expect(node.dispatch.offRank == nil && node.dispatch.offNode == nodes.offNode)
      #expect(node.combine.offRank == raw.offRank && node.combine.offNode == raw.offNode)
      #expect(try rows(.node, .preReduced).combine == node.dispatch)
    }
    #expect(traffic.expectedRows(dedup: .none, transport: .allGather, combine: .exact) == nil)
  }

  @Test("a figure that differs is named, one that is left open is not compared")
  func difference() throws {
    let traffic = try traffic(choices())
    let rank = try #require(
      traffic.expectedRows(dedup: .rank, transport: .pointToPoint, combine: .exact))
    var volume = ExchangeVolume()
    volume.dispatch.rows = rank.dispatch.offRank!
    volume.dispatch.offNodeRows = rank.dispatch.offNode
    volume.combine.rows = rank.combine.offRank!
    volume.combine.offNodeRows = rank.combine.offNode
    #expect(rank.difference(to: volume) == nil)
    volume.combine.offNodeRows += 1
    #expect(
      rank.difference(to: volume)
        == "\(rank.combine.offNode + 1) rows left their node in combine, counted were "
        + "\(rank.combine.offNode)")
    volume.dispatch.rows -= 1
    #expect(rank.difference(to: volume)?.contains("left their rank in dispatch") == true)
    let node = try #require(
      traffic.expectedRows(dedup: .node, transport: .pointToPoint, combine: .exact))
    volume.dispatch.offNodeRows = node.dispatch.offNode
    volume.combine.offNodeRows = node.combine.offNode
    volume.dispatch.rows += 1000
    #expect(node.difference(to: volume) == nil)
  }
}

/// A small linear congruential generator, so that choices are the same on every run.
private struct FixedGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state ^ (state >> 33)
  }
}
