// SPDX-License-Identifier: Apache-2.0
// epsim: tests of moved slots, relabelled ranks, transfers and when they pay.

import CostModel
import Placement
import Testing
import Workloads

@Suite struct MigrationTests {
  private let nodes = Topology(ranks: 4, nodes: 2)

  private func placement(_ ranks: [[Int32]], name: String = "given") throws -> ExpertPlacement {
    try ExpertPlacement(
      name: name, layers: [3], expertCount: Int(ranks.joined().max()!) + 1,
      slotOffsets: ranks.reduce(into: [0]) { $0.append($0.last! + $1.count) },
      physicalToLogical: [ranks.flatMap { $0 }])
  }

  @Test func relabellingMovesTheFewestSlots() throws {
    let old = try placement([[0, 1], [2, 3], [4, 5], [6, 7]])
    let new = try placement([[6, 7], [0, 1], [2, 5], [4, 3]])
    #expect(new.movedSlots(from: old) == 7)
    let free = new.relabelled(toKeep: old, topology: nodes, keepingNodes: false)
    #expect(free.movedSlots(from: old) == 2)
    let inside = new.relabelled(toKeep: old, topology: nodes, keepingNodes: true)
    #expect(inside.movedSlots(from: old) == 5)
    #expect(free.name == new.name && free.layers == [3])
    #expect(old.relabelled(toKeep: old, topology: nodes, keepingNodes: false) == old)
  }

  private func random(
    _ random: inout RandomDraws, slots: [Int], experts: Int, layers: Int
  ) throws -> ExpertPlacement {
    try ExpertPlacement(
      name: "random", layers: Array(0..<layers), expertCount: experts,
      slotOffsets: slots.reduce(into: [0]) { $0.append($0.last! + $1) },
      physicalToLogical: (0..<layers).map { _ in
        let all = (0..<Int32(slots.reduce(0, +))).map { $0 % Int32(experts) }
        return all.shuffled(using: &random)
      })
  }

  @Test func relabellingEqualsTheBestOfAllOrders() throws {
    var draws = RandomDraws(key: 21, number: 0)
    for _ in 0..<25 {
      let slots = [2, 3, 3, 2]
      let old = try random(&draws, slots: slots, experts: 7, layers: 1)
      let new = try random(&draws, slots: slots, experts: 7, layers: 1)
      let rows = (0..<4).map { Array(new.physicalToLogical[0][new.slots(ofRank: $0)]) }
      // Ranks of 2 and of 3 slots each among themselves.
      let orders = [[0, 1, 2, 3], [3, 1, 2, 0], [0, 2, 1, 3], [3, 2, 1, 0]]
      let best = try orders.map { order in
        try placement(order.map { rows[$0] }).movedSlots(from: old, layerRow: 0)
      }.min()
      let relabelled = new.relabelled(toKeep: old, topology: nodes, keepingNodes: false)
      #expect(relabelled.movedSlots(from: old) == best)
    }
  }

  /// A slow rank got few experts because it is slow: no other may take them.
  @Test func ranksThatAreNotLikeTheOthersKeepTheirPlace() throws {
    let old = try placement([[0, 1], [2, 3], [4, 5], [6, 7]])
    let new = try placement([[2, 3], [0, 1], [6, 7], [4, 5]])
    func apply(_ relabelling: Relabelling, fixed: Set<Int>) -> ExpertPlacement {
      relabelling.apply(to: new, keeping: old, topology: nodes, fixedRanks: fixed)
    }
    #expect(apply(.node, fixed: []).physicalToLogical == old.physicalToLogical)
    #expect(apply(.node, fixed: [0]).movedSlots(from: old) == 4)
    #expect(apply(.node, fixed: [0]).experts(onRank: 0, layerRow: 0) == [2, 3])
    #expect(apply(.all, fixed: [0, 3]) == new && apply(.none, fixed: []) == new)
    // Only all ranks may cross nodes.
    let crossed = try placement([[4, 5], [6, 7], [0, 1], [2, 3]])
    #expect(
      Relabelling.node.apply(to: crossed, keeping: old, topology: nodes).movedSlots(from: old)
        == 8)
    #expect(
      Relabelling.all.apply(to: crossed, keeping: old, topology: nodes).movedSlots(from: old)
        == 0)
  }

  @Test func onlyStrategiesThatDoNotSeeWhoSendsAreRelabelledUnasked() throws {
    let none = try ["source", "hypergraph+4", "search", "auto", "plan.json"].map {
      try PlacementSpec(parsing: $0).usualRelabelling
    }
    #expect(none.allSatisfy { $0 == .none })
    let node = try ["contiguous", "lpt", "eplb+8", "window+2", "coactivation"].map {
      try PlacementSpec(parsing: $0).usualRelabelling
    }
    #expect(node.allSatisfy { $0 == .node })
  }

  @Test func relabellingInsideNodesChangesNoLoadAndNoTrafficBetweenNodes() throws {
    let trace = try Fixtures.trace("law")
    let source = TraceWorkload(trace: trace, tokens: 0..<400, windowSize: 400)
    let topology = Topology(ranks: 8, nodes: 2)
    let layers = [1, 9]
    let load = try LoadHistogram(trace: trace, tokens: 0..<400).selecting(layers: layers)
    func place(_ text: String) throws -> ExpertPlacement {
      try PlacementSpec(parsing: text).place(
        load: load, topology: topology, groups: 1, modelLayers: [])
    }
    let (old, new) = (try place("random:5"), try place("lpt"))
    let relabelled = new.relabelled(toKeep: old, topology: topology, keepingNodes: true)
    #expect(relabelled != new)
    #expect(relabelled.movedSlots(from: old) < new.movedSlots(from: old))
    let ranks = (0..<400).map { Int32($0 * 8 / 400) }
    func counters(_ placement: ExpertPlacement) -> TrafficCounters {
      WorkloadTraffic(
        source: source, placement: placement, topology: topology, choice: .expertRoundRobin
      ).counters(step: 0, rankOfPosition: ranks)
    }
    let (before, after) = (counters(new), counters(relabelled))
    for row in layers.indices {
      let (one, other) = (before.layer(row), after.layer(row))
      #expect(one.receivedPerRank.sorted() == other.receivedPerRank.sorted())
      #expect(one.receivedPerNode == other.receivedPerNode)
      #expect(one.tokenRankPairs == other.tokenRankPairs)
      #expect(one.nodeDedup == other.nodeDedup)
      #expect(one.offNodeRaw == other.offNodeRaw)
      #expect(one.offNodeRankDedup == other.offNodeRankDedup)
    }
  }

  @Test func transfersAreOnlyWhatMustMoveFromTheNearestHolder() throws {
    // Expert 0 lives on ranks 0 and 3, one on each node.
    let old = try placement([[0, 2], [1, 3], [4, 5], [0, 6]])
    let new = try placement([[2, 2], [0, 1], [0, 5], [3, 6], [4]])
    #expect(throws: (any Error).self) { try new.requireSameShape(as: old) }
    let next = try placement([[2, 2], [0, 1], [0, 5], [3, 4, 6]])
    let plan = MigrationPlan(from: old, to: next, topology: nodes)
    typealias Transfer = MigrationPlan.Transfer
    // Rank 0 has expert 2 already; 0 comes from the same node, 3 from the other.
    #expect(
      plan.transfers == [
        Transfer(layerRow: 0, expert: 0, source: 0, destination: 1, slot: 2),
        Transfer(layerRow: 0, expert: 0, source: 3, destination: 2, slot: 4),
        Transfer(layerRow: 0, expert: 3, source: 1, destination: 3, slot: 6),
        Transfer(layerRow: 0, expert: 4, source: 2, destination: 3, slot: 7),
      ])
    #expect(plan.sentPerRank == [1, 1, 1, 1] && plan.receivedPerRank == [0, 1, 1, 2])
    #expect(plan.offNode == 1 && plan.recreated == 0)
    #expect(plan.sent == 4)
    #expect(MigrationPlan(from: next, to: next, topology: nodes).transfers.isEmpty)
  }

  @Test func aLostRankTakesItsOnlyCopiesWithIt() throws {
    let old = try placement([[0, 2], [1, 3], [4, 5], [0, 6]])
    let plan = MigrationPlan(from: old, to: old, topology: nodes, lostRanks: [0])
    #expect(plan.transfers.map(\.expert) == [0, 2])
    #expect(plan.transfers.map(\.source) == [3, nil])
    #expect(plan.recreated == 1 && plan.sent == 1 && plan.offNode == 1)
  }

  @Test func similarityCountsSharedPairs() throws {
    let old = try placement([[0, 1], [2, 3]])
    #expect(old.similarity(to: old) == 1)
    // Ranks share {0} and {3} of 6 pairs.
    #expect(old.similarity(to: try placement([[0, 2], [1, 3]])) == 2.0 / 6)
  }

  @Test func breakEvenMayBeNever() {
    func steps(_ migration: Double, _ before: Double, _ after: Double) -> Double? {
      BreakEven(
        migration: Seconds(migration), before: Seconds(before), after: Seconds(after)
      ).steps
    }
    #expect(steps(3, 1, 0.75) == 12)
    #expect(steps(0, 1, 0.5) == 0)
    #expect(steps(3, 1, 1) == nil && steps(3, 1, 2) == nil)
    #expect(steps(.nan, 1, 0.5) == nil && steps(3, .nan, 1) == nil && steps(.infinity, 2, 1) == nil)
  }
}
