// SPDX-License-Identifier: Apache-2.0
// epsim: tests of what is printed of one placement.

import Placement
import Reporting
import Testing
import Workloads

@Suite struct PlacementReportTests {
  private func text(
    layers: [Int], offsets: [Int], slots: [[Int32]], loads: [[Int]]
  ) throws -> String {
    let placement = try ExpertPlacement(
      name: "given", layers: layers, expertCount: loads[0].count, slotOffsets: offsets,
      physicalToLogical: slots)
    let record = try PlacementRecord(
      placement, load: LoadHistogram(layers: layers, rows: loads), nodes: 1, solveMs: 1)
    let text = PlacementReport(record).text
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 100 }, "\(text)")
    return text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
  }

  @Test func boundsAreNamedForTheLayerThatIsBalancedWorst() throws {
    let ring: [Int32] = [0, 3, 0, 1, 1, 2, 2, 3]
    let text = try text(
      layers: [3, 5], offsets: [0, 2, 4, 6, 8], slots: [ring, ring],
      loads: [[8, 8, 8, 8], [9, 5, 1, 1]])
    for words in [
      "layer 5, balanced worst: 7 on the fullest rank; no placement with these slots that shares",
      "mean 4, heaviest replica 2.50, branch and bound",
      "ranks {0,1,2} alone host experts 0,1: no split is below 14/3 = 4.67; even shares are 50.0 %",
      "proven best: 1 of 2 layers",
    ] {
      #expect(text.contains(words), "\(words): \(text)")
    }
  }

  @Test func whatIsBestIsSaid() throws {
    let text = try text(
      layers: [0], offsets: [0, 1, 2], slots: [[0, 1]], loads: [[10, 4]])
    #expect(text.contains("cardinality 10, branch and bound 10): proven best"), "\(text)")
    #expect(
      text.contains("rank {0} alone hosts experts 0: no split is below 10; even shares reach it"))
    #expect(!text.contains("layers proven"))
    let idle = try self.text(
      layers: [0], offsets: [0, 1, 2], slots: [[0, 1]], loads: [[0, 0]])
    #expect(idle.contains("no load"))
  }
}
