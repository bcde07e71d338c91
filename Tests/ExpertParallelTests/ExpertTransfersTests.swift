// SPDX-License-Identifier: Apache-2.0
// epsim: tests of which experts move where when a placement changes.

import CostModel
import ExpertParallel
import MoE
import Placement
import Testing
import Workloads

@Suite struct ExpertTransfersTests {
  private typealias Transfer = ExpertTransfers.Transfer

  private func placement(_ ranks: [[Int32]], experts: Int = 8) throws -> ExpertPlacement {
    try ExpertPlacement(
      name: "p", layers: [3], expertCount: experts,
      slotOffsets: ranks.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.count) },
      physicalToLogical: [ranks.flatMap { $0 }])
  }

  private func plan(
    _ old: [[Int32]], _ new: [[Int32]], nodes: Int = 2, experts: Int = 8, lost: Set<Int> = []
  ) throws -> ExpertTransfers {
    try ExpertTransfers(
      from: placement(old, experts: experts), to: placement(new, experts: experts), layer: 3,
      topology: Topology(ranks: old.count, nodes: nodes), lostRanks: lost)
  }

  @Test("the reference's example moves seven experts when no rank is relabelled")
  func identity() throws {
    let plan = try plan(
      [[0, 1], [2, 3], [4, 5], [6, 7]], [[6, 7], [0, 1], [2, 5], [4, 3]])
    #expect(plan.transfers.count == 7 && plan.lost.isEmpty)
    #expect(
      plan.transfers.first == Transfer(expert: 0, source: 0, destination: 1)
        && plan.transfers.last == Transfer(expert: 7, source: 3, destination: 0))
    #expect(!plan.transfers.contains { $0.expert == 5 })
  }

  @Test("nothing moves to a rank that holds the expert, in whichever slot")
  func slotsOfARank() throws {
    let old: [[Int32]] = [[0, 1, 2, 2], [3, 4, 5], [6, 7], []]
    #expect(try plan(old, [[2, 1, 0], [5, 4, 3, 3], [7, 6], []]).transfers.isEmpty)
  }

  @Test("a copy comes from its node, and from the rank that has sent least")
  func sources() throws {
    // Expert 0 is on ranks 0 and 2; experts 1 and 2 on both of node 0.
    let old: [[Int32]] = [[0, 1, 2], [1, 2, 3], [0, 4], [5, 6, 7]]
    let new: [[Int32]] = [[0, 1, 2], [1, 2, 3, 0], [0, 4], [5, 6, 7, 0, 1, 2]]
    #expect(
      try plan(old, new).transfers == [
        Transfer(expert: 0, source: 0, destination: 1),
        Transfer(expert: 0, source: 2, destination: 3),
        Transfer(expert: 1, source: 1, destination: 3),
        Transfer(expert: 2, source: 0, destination: 3),
      ])
  }

  @Test("experts of a lost rank come from replicas, and are made once where there is none")
  func lostRanks() throws {
    let old: [[Int32]] = [[0, 1], [1, 2], [3, 4], [5, 6, 7]]
    let new: [[Int32]] = [[0, 1], [1, 2], [3, 4, 2], [5, 6, 7, 2]]
    let plan = try plan(old, new, lost: [1])
    // Expert 1 has a copy on rank 0; expert 2 has none and is made by rank 1 itself.
    #expect(plan.lost == [Transfer(expert: 2, source: 1, destination: 1)])
    #expect(
      plan.transfers == [
        Transfer(expert: 1, source: 0, destination: 1),
        Transfer(expert: 2, source: 1, destination: 2),
        Transfer(expert: 2, source: 1, destination: 3),
      ])
  }

  @Test("after its transfers every rank has what it shall hold", arguments: 0..<20)
  func everyRankGetsItsExperts(number: Int) throws {
    var draws = RandomDraws(key: 0x7A25, number: number)
    let ranks = 1 + Int(draws.next() % 6)
    func random() throws -> ExpertPlacement {
      let extra = Int(draws.next() % 8)
      return try PlacementSpec(parsing: "eplb+\(extra):global").place(
        load: LoadHistogram(layers: [3], rows: [(0..<8).map { _ in Int(draws.next() % 100) }]),
        topology: Topology(ranks: ranks), groups: 1, modelLayers: [3])
    }
    let (old, new) = (try random(), try random())
    let lost: Set<Int> = draws.next() % 2 == 0 ? [] : [Int(draws.next() % UInt64(ranks))]
    let plan = ExpertTransfers(
      from: old, to: new, layer: 3, topology: Topology(ranks: ranks, nodes: min(2, ranks)),
      lostRanks: lost)
    var held = (0..<ranks).map { rank in
      lost.contains(rank) ? [] : Set(old.experts(onRank: rank, layerRow: 0))
    }
    for maker in plan.lost {
      #expect(held.allSatisfy { !$0.contains(maker.expert) })
      held[maker.source].insert(maker.expert)
    }
    for transfer in plan.transfers {
      #expect(held[transfer.source].contains(transfer.expert))
      #expect(held[transfer.destination].insert(transfer.expert).inserted, "sent for nothing")
    }
    for rank in 0..<ranks {
      #expect(held[rank].isSuperset(of: new.experts(onRank: rank, layerRow: 0)))
    }
  }
}
