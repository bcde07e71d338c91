// SPDX-License-Identifier: Apache-2.0
// epsim: tests of a layer's time from its tokens.

import CostModel
import MoE
import Placement
import Testing
import Workloads

@Suite struct BundleCostTests {
  private let topology = Topology(nodeOfRank: [0, 0, 0, 1, 1, 2])
  /// Experts 0, 1 and 5 have two slots, expert 2 three; rank 5 has none at first.
  private let expertOfSlot: [Int32] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 5, 2]
  private var rankOfSlot: [Int] { expertOfSlot.indices.map { $0 % 5 } }

  private func bundles(_ seed: UInt64, distinct: Bool = false) -> RoutingBundles {
    drawnBundles(
      seed: seed, tokens: 150, ranks: 6, experts: 9, topK: 3, distinct: distinct)
  }

  @Test(arguments: Dedup.allCases, [CombineRule.exact, .preReduced])
  func changesLeadToTheTimeOfAFreshEvaluation(dedup: Dedup, combine: CombineRule) {
    for (seed, choice) in [ReplicaChoice.nearest, .expertRoundRobin].enumerated() {
      let prices = layerPrices(dedup, combine, ranks: 6, choice: choice, nodesPerLeaf: 2)
      let bundles = bundles(UInt64(seed))
      var cost = BundleCost(
        bundles, expertOfSlot: expertOfSlot, rankOfSlot: rankOfSlot, topology: topology,
        prices: prices)
      var (experts, ranks) = (expertOfSlot, rankOfSlot)
      let random = CounterRandom(seed: UInt64(seed), 8)
      for step in 0..<120 {
        func draw(_ below: Int, _ what: Int) -> Int {
          Int(random.bits(at: UInt64(4 * step + what)) % UInt64(below))
        }
        let (slot, other) = (draw(experts.count, 1), draw(experts.count, 2))
        let tried: Seconds
        switch draw(3, 0) {
        case 0:
          ranks[slot] = draw(6, 3)
          tried = cost.time(moving: slot, to: ranks[slot])
          cost.move(slot: slot, to: ranks[slot])
        case 1:
          ranks.swapAt(slot, other)
          tried = cost.time(swapping: slot, with: other)
          cost.swap(slot: slot, with: other)
        default:
          guard experts.count(where: { $0 == experts[slot] }) > 1 else { continue }
          experts[slot] = Int32(draw(9, 3))
          tried = cost.time(holding: Int(experts[slot]), in: slot)
          cost.hold(Int(experts[slot]), in: slot)
        }
        let fresh = BundleCost(
          bundles, expertOfSlot: experts, rankOfSlot: ranks, topology: topology, prices: prices)
        #expect(cost.time == fresh.time && tried == fresh.time)
        #expect(cost.dispatch == fresh.dispatch)
        #expect(cost.returning == fresh.returning && cost.rowsPerSlot == fresh.rowsPerSlot)
        #expect(cost.rankOfSlot == ranks && cost.expertOfSlot == experts)
      }
    }
  }

  @Test func tryingChangesNothing() {
    var cost = BundleCost(
      bundles(4), expertOfSlot: expertOfSlot, rankOfSlot: rankOfSlot, topology: topology,
      prices: layerPrices(.node, ranks: 6))
    let before = cost
    var times: Set<Double> = []
    for slot in expertOfSlot.indices {
      for other in expertOfSlot.indices {
        times.insert(cost.time(swapping: slot, with: other).value)
      }
      times.insert(cost.time(moving: slot, to: 5).value)
      if expertOfSlot.count(where: { $0 == expertOfSlot[slot] }) > 1 {
        for expert in 0..<9 { times.insert(cost.time(holding: expert, in: slot).value) }
      }
    }
    #expect(times.count > 100)
    #expect(cost.time == before.time && cost.rankOfSlot == before.rankOfSlot)
    #expect(cost.dispatch == before.dispatch && cost.returning == before.returning)
    #expect(cost.rowsPerSlot == before.rowsPerSlot && cost.expertOfSlot == before.expertOfSlot)
    #expect(cost.updateCount > 0)
  }

  /// Tokens of different sets come in the order of their bundles, so that copies taken in turn are
  /// those of a run.
  @Test(arguments: Dedup.allCases, ReplicaChoice.allCases.prefix(2))
  func portsSeeWhatCountersCount(dedup: Dedup, choice: ReplicaChoice) throws {
    let bundles = bundles(5, distinct: true)
    let placement = try ExpertPlacement(
      name: "replicas", layers: [0], expertCount: 9, slotOffsets: [0, 3, 6, 9, 12, 14, 14],
      physicalToLogical: [[0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 5, 2]])
    let cost = BundleCost(
      bundles, placement, topology, layerPrices(dedup, ranks: 6, choice: choice))
    let counters = counters(bundles, placement, choice)
    let traffic = counters.layer(0)
    let bytes = Bytes(512)
    let raw = PortLoads(traffic.raw, topology: topology, bytesPerCopy: bytes)
    let expected =
      switch dedup {
      case .none: raw
      case .rank: PortLoads(traffic.rankDedup, topology: topology, bytesPerCopy: bytes)
      case .node:
        PortLoads(
          nodeDedup: traffic.nodeDedup, passedOn: traffic.rankDedup, topology: topology,
          bytesPerCopy: bytes)
      }
    #expect(cost.dispatch == expected && cost.returning == raw)
    #expect(cost.rowsPerSlot == counters.rowsPerSlot(layerRow: 0))
    #expect(cost.offNodeCopies == traffic.offNodeNodeDedup)
    #expect(cost.offRankCopies == traffic.offRankRankDedup)
  }

  private func counters(
    _ bundles: RoutingBundles, _ placement: ExpertPlacement, _ choice: ReplicaChoice
  ) -> TrafficCounters {
    var counters = TrafficCounters(placement: placement, topology: topology)
    for rank in 0..<6 {
      let own = (0..<bundles.count).filter { bundles.sources[$0] == rank }
      var decision = RoutingDecision(tokenCount: own.count, topK: 3)
      decision.expertIndices = own.flatMap { Array(bundles.experts(ofBundle: $0)) }
      var slots = decision.expertIndices
      let workspace = ChoiceWorkspace(placement: placement, nodeCount: topology.nodeCount)
      let table = ReplicaTable(
        placement: placement, layerRow: 0, sourceRank: rank, topology: topology, choice: choice)
      slots.withUnsafeMutableBufferPointer { slots in
        table.choose(decision, into: slots, workspace)
        counters.add(
          layerRow: 0, sourceRank: rank, slots: UnsafeBufferPointer(slots), topK: 3)
      }
    }
    return counters
  }

  @Test func windowsCountAlike() {
    let prices = layerPrices(.node, ranks: 6)
    let windows = [bundles(6), bundles(7)]
    var cost = WindowCost(
      windows, expertOfSlot: expertOfSlot, rankOfSlot: rankOfSlot, topology: topology,
      prices: prices)
    func mean(_ ranks: [Int], _ experts: [Int32]) -> Seconds {
      let times = windows.map {
        BundleCost(
          $0, expertOfSlot: experts, rankOfSlot: ranks, topology: topology, prices: prices
        ).time
      }
      return (times[0] + times[1]) / 2
    }
    var (ranks, experts) = (rankOfSlot, expertOfSlot)
    #expect(cost.time == mean(ranks, experts))
    ranks.swapAt(1, 8)
    cost.swap(slot: 1, with: 8)
    #expect(cost.time == mean(ranks, experts))
    experts[13] = 7
    cost.hold(7, in: 13)
    #expect(cost.time == mean(ranks, experts))
    ranks[4] = 5
    cost.move(slot: 4, to: 5)
    #expect(cost.time == mean(ranks, experts))
  }
}
