// SPDX-License-Identifier: Apache-2.0
// epsim: what a layer of a workload asks of the ranks.

internal import CostModel
public import Placement

/// Where the tokens of a batch go in one layer.
public struct LayerDemand: Sendable {
  public var traffic: LayerTraffic
  /// [R + 1] first slot of each rank, and P.
  public var slotOffsets: [Int]
  /// [P] assignments that each slot serves.
  public var rowsPerSlot: [Int]
  /// [R] tokens that start on each rank.
  public var tokensPerRank: [Int]

  public init(
    traffic: LayerTraffic, slotOffsets: [Int], rowsPerSlot: [Int], tokensPerRank: [Int]
  ) {
    precondition(
      slotOffsets.count == tokensPerRank.count + 1 && rowsPerSlot.count == slotOffsets.last,
      "\(rowsPerSlot.count) slots, \(slotOffsets.count) offsets, \(tokensPerRank.count) ranks")
    self.traffic = traffic
    self.slotOffsets = slotOffsets
    self.rowsPerSlot = rowsPerSlot
    self.tokensPerRank = tokensPerRank
  }

  /// A row of counters.
  public init(_ counters: TrafficCounters, layerRow row: Int, tokensPerRank: [Int]) {
    self.init(
      traffic: counters.layer(row), slotOffsets: counters.placement.slotOffsets,
      rowsPerSlot: counters.rowsPerSlot(layerRow: row), tokensPerRank: tokensPerRank)
  }

  /// Rows of each slot of a rank.
  func rows(of rank: Int) -> ArraySlice<Int> {
    rowsPerSlot[slotOffsets[rank]..<slotOffsets[rank + 1]]
  }
}
