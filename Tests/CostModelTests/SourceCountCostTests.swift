// SPDX-License-Identifier: Apache-2.0
// epsim: tests of a layer's time under changing placements.

import CostModel
import MoE
import Testing

@Suite struct SourceCountCostTests {
  private let topology = mixedNodes
  private let slots = 23

  private func model(_ network: NetworkParameters) -> LayerModel {
    let ranks = topology.nodeOfRank.indices.map { rank in
      RankParameters(
        efficiencies: [
          .init(rows: 1, rate: FlopsPerSecond(1e10)), .init(rows: 64, rate: FlopsPerSecond(1e11)),
        ], memory: .gigabytes(10), fixed: .microseconds(3), perExpert: .microseconds(1),
        copies: .gigabytes(8), perAssignment: .microseconds(0.01),
        speed: rank == 3 ? 0.5 : 1)
    }
    return LayerModel(
      network, topology: topology, ranks: ranks,
      widths: ExpertWidths(hiddenSize: 256, ffnSize: 64), dispatchBytes: Bytes(512),
      combineBytes: Bytes(1024))
  }

  private func counts(_ seed: UInt64, fractions: Bool = false) -> SourceCounts {
    let random = CounterRandom(seed: seed)
    let ranks = topology.rankCount
    return SourceCounts(
      rankCount: ranks, slotCount: slots,
      values: (0..<ranks * slots).map {
        // Half of the pairs have nothing, slot 5 has nothing at all.
        let value = max(0, random.unit(at: UInt64($0)) * 80 - 40)
        return $0 % slots == 5 ? 0 : fractions ? value : value.rounded(.down)
      })
  }

  /// The time of a placement, evaluated from the start.
  private func fresh(
    _ counts: SourceCounts, _ rankOfSlot: [Int], _ network: NetworkParameters
  ) -> Seconds {
    var model = model(network)
    let loads = PortLoads(
      counts, rankOfSlot: rankOfSlot, topology: topology,
      nodesPerLeaf: network.leaves?.nodesPerLeaf, bytesPerCopy: Bytes(512))
    let sums = counts.sums
    return model.time(
      assignments: sums.perSource, loads: loads,
      slots: SlotLoads(
        perSlot: sums.perSlot, rankOfSlot: rankOfSlot, rankCount: topology.rankCount))
  }

  @Test(arguments: [false, true], [false, true])
  func movesLeadToTheTimeOfAFreshEvaluation(leaves: Bool, fractions: Bool) {
    for seed in 0..<5 as Range<UInt64> {
      let network = network(uplinks: leaves ? .gigabytes(0.5) : nil)
      let counts = counts(seed, fractions: fractions)
      let start = (0..<slots).map { $0 % topology.rankCount }
      var cost = SourceCountCost(counts, rankOfSlot: start, model: model(network))
      #expect(cost.time == fresh(counts, start, network))
      let random = CounterRandom(seed: seed, 7)
      var placement = start
      for step in 0..<100 {
        func draw(_ below: Int, _ what: Int) -> Int {
          Int(random.bits(at: UInt64(4 * step + what)) % UInt64(below))
        }
        let slot = draw(slots, 1)
        if draw(2, 0) == 0 {
          let rank = draw(topology.rankCount, 2)
          placement[slot] = rank
          cost.move(slot: slot, to: rank)
        } else {
          let other = draw(slots, 2)
          placement.swapAt(slot, other)
          cost.swap(slot: slot, with: other)
        }
        #expect(cost.rankOfSlot == placement)
        #expect(isClose(cost.time.value, fresh(counts, placement, network).value))
      }
      if !fractions {
        #expect(
          cost.loads
            == PortLoads(
              counts, rankOfSlot: placement, topology: topology,
              nodesPerLeaf: leaves ? 2 : nil, bytesPerCopy: Bytes(512)))
      }
    }
  }

  @Test func tryingChangesNothing() {
    let counts = counts(9)
    var cost = SourceCountCost(
      counts, rankOfSlot: (0..<slots).map { $0 % 11 }, model: model(network()))
    let (time, loads, placement) = (cost.time, cost.loads, cost.rankOfSlot)
    let moved = cost.time(moving: 4, to: 0)
    let swapped = cost.time(swapping: 4, with: 9)
    #expect(cost.time == time && cost.loads == loads && cost.rankOfSlot == placement)
    cost.move(slot: 4, to: 0)
    #expect(cost.time == moved)
    cost.move(slot: 4, to: 4)
    cost.swap(slot: 4, with: 9)
    #expect(cost.time == swapped && swapped != moved)
  }

  @Test func theTimeIsThatOfItsParts() {
    let network = network(uplinks: nil)
    let counts = counts(1)
    let cost = SourceCountCost(
      counts, rankOfSlot: (0..<slots).map { $0 % 11 }, model: model(network))
    // No rank is faster than the slowest phases of one rank allow, and none waits for nothing.
    let longest = topology.nodeOfRank.indices.map { cost.phases.total(of: $0) }.max()!
    #expect(longest == cost.time)
    let dispatch = network.time(of: cost.loads, topology: topology)
    #expect(isClose(cost.phases.largest(.dispatchTransfer).value, dispatch.total.value))
    #expect(cost.phases.largest(.expert) > .zero && cost.phases.largest(.plan) > .zero)
  }

  @Test func noTokensTakeWhatEveryExchangeTakes() {
    let ranks = topology.rankCount
    let none = SourceCounts(
      rankCount: ranks, slotCount: slots, values: Array(repeating: 0, count: ranks * slots))
    var cost = SourceCountCost(
      none, rankOfSlot: Array(repeating: 2, count: slots), model: model(network()))
    // Two exchanges of 5 us, and 4 us times 3/4 for 4 nodes.
    #expect(isClose(cost.time.microseconds, 16))
    cost.move(slot: 3, to: 1)
    #expect(isClose(cost.time.microseconds, 16))
  }

  @Test func anotherNetworkChangesTheAnswer() {
    let counts = counts(2)
    let start = (0..<slots).map { $0 % 11 }
    let times = [network(), network(uplinks: .gigabytes(0.1)), network(nodeTotal: .gigabytes(0.2))]
      .map { fresh(counts, start, $0) }
    #expect(times[1] > times[0] && times[2] > times[0])
  }
}
