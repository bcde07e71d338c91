// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the placement type: tables, ragged ranks and what is refused.

import MoE
import Placement
import Testing

@Suite struct ExpertPlacementTests {
  /// 3 experts in 5 slots: rank 0 has 3 of them, rank 1 none, rank 2 has 2.
  private func ragged(
    layers: [Int] = [7, 9], experts: Int = 3, offsets: [Int] = [0, 3, 3, 5],
    rows: [[Int32]] = [[2, 0, 2, 1, 2], [0, 1, 2, 0, 1]]
  ) throws -> ExpertPlacement {
    try ExpertPlacement(
      name: "ragged", layers: layers, expertCount: experts, slotOffsets: offsets,
      physicalToLogical: rows)
  }

  @Test func ranksMayHoldUnequalNumbersOfSlots() throws {
    let placement = try ragged()
    #expect(placement.rankCount == 3 && placement.slotCount == 5 && placement.extraSlotCount == 2)
    #expect(placement.rankOfSlot == [0, 0, 0, 2, 2])
    #expect((0..<3).map { placement.slots(ofRank: $0) } == [0..<3, 3..<3, 3..<5])
    #expect(placement.row(ofLayer: 9) == 1 && placement.row(ofLayer: 8) == nil)
    #expect(placement.experts(onRank: 0, layerRow: 0) == [0, 2])
    #expect(placement.experts(onRank: 1, layerRow: 0) == [])
    #expect(placement.replicaCounts(layerRow: 0) == [1, 1, 3])
    #expect(placement.uselessReplicaCount(layerRow: 0) == 1)
    #expect(placement.uselessReplicaCount(layerRow: 1) == 0)
    let copies = placement.logicalToPhysical(layerRow: 0)
    #expect(copies.offsets == [0, 1, 2, 5])
    #expect(copies.slots == [1, 3, 0, 2, 4])
  }

  @Test func rowsCanBeSelectedByLayer() throws {
    let one = try ragged().selecting(layers: [9], name: "one")
    #expect(one.layers == [9] && one.physicalToLogical == [[0, 1, 2, 0, 1]] && one.name == "one")
    expectInputError("no layer 8", "[7, 9]") { _ = try ragged().selecting(layers: [8], name: "x") }
  }

  @Test func invalidPlacementsAreRefused() {
    expectInputError("no layers") { _ = try ragged(layers: [], rows: []) }
    expectInputError("0 experts") { _ = try ragged(experts: 0) }
    expectInputError("start with 0") { _ = try ragged(offsets: [1, 3, 3, 5]) }
    expectInputError("start with 0") { _ = try ragged(offsets: [0, 3, 2, 5]) }
    expectInputError("start with 0") { _ = try ragged(offsets: [0]) }
    expectInputError("start with 0") { _ = try ragged(offsets: []) }
    expectInputError("2 slots for 3 experts") { _ = try ragged(offsets: [0, 2]) }
    expectInputError("slots for 3 experts") { _ = try ragged(offsets: [0, .max]) }
    expectInputError("layer 7 has 5 slots", "hold 6") { _ = try ragged(offsets: [0, 6]) }
    expectInputError("1 different layers for 2 rows") { _ = try ragged(layers: [7]) }
    expectInputError("1 different layers for 2 rows") { _ = try ragged(layers: [7, 7]) }
    expectInputError("expert 3 in layer 9, slot 2", "0...2") {
      _ = try ragged(rows: [[2, 0, 2, 1, 2], [0, 1, 3, 0, 1]])
    }
    expectInputError("expert -1") { _ = try ragged(rows: [[2, 0, 2, 1, -1], [0, 1, 2, 0, 1]]) }
    expectInputError("expert 1 of layer 7 is in no slot") {
      _ = try ragged(rows: [[2, 0, 2, 0, 2], [0, 1, 2, 0, 1]])
    }
  }

  @Test func slotRulesDivideEverySlotOnce() {
    #expect(SlotLayout.firstRanksHoldMore(slotCount: 10, rankCount: 4) == [0, 3, 6, 8, 10])
    // floor(s 4 / 10): 0 0 0 1 1 2 2 2 3 3.
    #expect(SlotLayout.proportional(slotCount: 10, rankCount: 4) == [0, 3, 5, 8, 10])
    #expect(SlotLayout.proportional(slotCount: 2, rankCount: 4) == [0, 1, 1, 2, 2])
    for ranks in 1...9 {
      for slots in 0...20 {
        let offsets = SlotLayout.proportional(slotCount: slots, rankCount: ranks)
        for slot in 0..<slots {
          let rank = slot * ranks / slots
          #expect(offsets[rank] <= slot && slot < offsets[rank + 1])
        }
      }
    }
  }
}
