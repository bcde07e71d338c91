// SPDX-License-Identifier: Apache-2.0
// epsim: tests of what moves when ranks come, leave, or lose what they hold.

import CostModel
import Placement
import Testing
import Workloads

@Suite struct RankChangeTests {
  private func placement(_ ranks: [[Int32]], experts: Int) throws -> ExpertPlacement {
    try ExpertPlacement(
      name: "given", layers: [4], expertCount: experts,
      slotOffsets: ranks.reduce(into: [0]) { $0.append($0.last! + $1.count) },
      physicalToLogical: [ranks.flatMap { $0 }])
  }

  private func change(
    _ old: ExpertPlacement, _ new: ExpertPlacement, _ relabelling: Relabelling = .none
  ) -> RankChange {
    RankChange(
      from: old, to: new,
      topology: Topology(ranks: max(old.rankCount, new.rankCount)), relabelling: relabelling)
  }

  @Test func aRankThatLeavesHandsOverAndBlocksShift() throws {
    let three = try placement([[0, 1], [2, 3], [4, 5]], experts: 6)
    let two = try placement([[0, 1, 2], [3, 4, 5]], experts: 6)
    // Rank 0 gets expert 2, rank 1 gets 4 and 5; 4 and 5 stand nowhere else.
    let leaves = change(three, two)
    #expect(leaves.rankCount == 2 && leaves.moved == 3 && leaves.least == 2)
    #expect(leaves.withoutCopy == 2 && leaves.largestReceived == 2)
    // The other way rank 1 gets 2, rank 2 gets 4 and 5: it must get two.
    let comes = change(two, three)
    #expect(comes.rankCount == 3 && comes.moved == 3 && comes.least == 2)
    #expect(comes.withoutCopy == 0 && comes.largestReceived == 2)
  }

  @Test func ranksChangePlacesOnlyAmongThoseThatStay() throws {
    let three = try placement([[0, 1], [2, 3], [4, 5]], experts: 6)
    let crossed = try placement([[2, 3, 4], [0, 1, 5]], experts: 6)
    #expect(change(three, crossed).moved == 6)
    let relabelled = change(three, crossed, .node)
    #expect(relabelled.moved == 2 && relabelled.moved == relabelled.least)
  }

  @Test func theWorstLossLeavesTheMostWithoutACopy() throws {
    let topology = Topology(ranks: 3)
    // Rank 0 has three experts with copies, rank 2 two without.
    let placement = try placement([[0, 1, 2], [0, 1, 2], [3, 4]], experts: 5)
    let first = RankChange(refilling: 0, of: placement, topology: topology)
    #expect(first.moved == 3 && first.least == 3 && first.withoutCopy == 0)
    let worst = RankChange.worstLoss(of: placement, topology: topology)
    #expect(worst.rank == 2 && worst.change.moved == 2 && worst.change.withoutCopy == 2)
    #expect(worst.change.rankCount == 3 && worst.change.largestReceived == 2)
    // A second slot with an expert of the same rank is not moved twice.
    let twice = try self.placement([[0, 0, 1], [2]], experts: 3)
    #expect(
      RankChange(refilling: 0, of: twice, topology: Topology(ranks: 2)).moved == 2)
  }

  @Test func theWorstLossIsTheWorstOfAll() throws {
    var draws = RandomDraws(key: 32, number: 0)
    let topology = Topology(ranks: 5, nodes: 2)
    for _ in 0..<40 {
      let slots = (0..<5).map { _ in Int.random(in: 2...5, using: &draws) }
      let all = (0..<Int32(slots.reduce(0, +))).map { $0 % 9 }.shuffled(using: &draws)
      let offsets = slots.reduce(into: [0]) { $0.append($0.last! + $1) }
      let placement = try placement(
        (0..<5).map { Array(all[offsets[$0]..<offsets[$0 + 1]]) }, experts: 9)
      let changes = (0..<5).map {
        RankChange(refilling: $0, of: placement, topology: topology)
      }
      let worst = RankChange.worstLoss(of: placement, topology: topology)
      let most = changes.map { ($0.withoutCopy, $0.moved) }.max { $0 < $1 }!
      #expect((worst.change.withoutCopy, worst.change.moved) == most)
      #expect(worst.rank == changes.firstIndex { ($0.withoutCopy, $0.moved) == most })
    }
  }

  @Test func ranksJoinTheLastNodeAndTheLastOnesLeave() {
    let topology = Topology(ranks: 4, nodes: 2)
    #expect(topology.with(rankCount: 6).nodeOfRank == [0, 0, 1, 1, 1, 1])
    #expect(topology.with(rankCount: 3).nodeOfRank == [0, 0, 1])
    #expect(topology.with(rankCount: 1) == Topology(ranks: 1))
  }

  /// Distinct experts that are new on each rank, counted over every order of the ranks that stay.
  @Test func movesAreTheFewestOfAllOrders() throws {
    var draws = RandomDraws(key: 31, number: 0)
    for _ in 0..<20 {
      func random(_ ranks: Int) throws -> ExpertPlacement {
        let all = (0..<Int32(12)).shuffled(using: &draws)
        let size = 12 / ranks
        return try placement(
          (0..<ranks).map { Array(all[$0 * size..<($0 + 1) * size]) }, experts: 12)
      }
      let (old, new) = (try random(4), try random(3))
      let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
      let best = orders.map { order in
        (0..<3).reduce(0) { sum, rank in
          sum
            + Set(new.experts(onRank: order[rank], layerRow: 0))
            .subtracting(old.experts(onRank: rank, layerRow: 0)).count
        }
      }.min()
      let change = change(old, new, .all)
      #expect(change.moved == best && change.least == 3 && change.withoutCopy == 3)
      #expect(change.moved >= change.least)
    }
  }

  @Test func consistentHashingMovesTheFewest() throws {
    let load = LoadHistogram(
      layers: [0, 1], rows: (0..<2).map { layer in (0..<64).map { 1 + $0 * $0 % (97 + layer) } })
    func moved(_ text: String, from ranks: Int, to count: Int) throws -> RankChange {
      let spec = try PlacementSpec(parsing: text)
      func place(_ topology: Topology) throws -> ExpertPlacement {
        try spec.place(load: load, topology: topology, groups: 1, modelLayers: [])
      }
      let topology = Topology(ranks: max(ranks, count))
      return RankChange(
        from: try place(topology.with(rankCount: ranks)),
        to: try place(topology.with(rankCount: count)), topology: topology,
        relabelling: spec.usualRelabelling)
    }
    for (from, to) in [(8, 7), (8, 9), (16, 15), (16, 20), (5, 4)] {
      let hashed = try moved("consistent-hash", from: from, to: to)
      #expect(hashed.moved >= hashed.least)
      for other in ["contiguous", "round-robin", "lpt", "eplb+8", "snake+8"] {
        let change = try moved(other, from: from, to: to)
        #expect(change.moved >= change.least)
        #expect(change.moved > hashed.moved, "\(other) from \(from) to \(to)")
      }
    }
  }
}
