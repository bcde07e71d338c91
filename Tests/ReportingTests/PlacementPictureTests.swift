// SPDX-License-Identifier: Apache-2.0
// epsim: tests of bars, heat maps and maps of experts.

import Placement
import Reporting
import Testing

@Suite struct PlacementPictureTests {
  private func lines(_ text: String) -> [String] {
    text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }

  @Test func barsShowLoadOverTheMean() {
    let bars = lines(
      LoadBars([(heading: "before", loads: [30, 10]), (heading: "after", loads: [20, 20])]).text)
    #expect(bars.count == 3)
    // The longest bar, of 1.5 times the mean, has 36 columns; one of 1.0 has 24, one of 0.5 has 12.
    #expect(bars[1].filter { $0 == "█" }.count == 36 + 24)
    #expect(bars[2].filter { $0 == "█" }.count == 12 + 24)
    #expect(bars[1].contains("1.50") && bars[2].contains("0.50") && bars[2].hasSuffix("1.00"))
    // The mark of the mean, where no bar covers it.
    #expect(bars[1].filter { $0 == "|" }.count == 1 && bars[2].filter { $0 == "|" }.count == 2)
    #expect(bars.allSatisfy { $0.count <= 100 })
  }

  @Test func barsOfManyRanksShowTheExtremes() {
    let loads = (0..<200).map { Double($0) }
    let bars = lines(LoadBars([(heading: "load", loads: loads)]).text)
    #expect(bars.count == 34 && bars[33].contains("200 ranks"))
    #expect(bars[1].contains(" 0 ") && bars[32].contains("199"))
    #expect(lines(LoadBars([(heading: "none", loads: [0, 0])]).text).count == 3)
  }

  @Test func heatMapHasAShadeForEveryCell() {
    let map = lines(HeatMap(title: "copies", rows: 2, columns: 3, values: [0, 1, 2, 3, 4, 1]).text)
    #expect(map[0].contains("copies") && map[0].contains("4"))
    #expect(map[2] == "0  · ▒▒▓▓" && map[3] == "1  ████▒▒")
  }

  @Test func largeHeatMapsAddNeighboursUp() {
    let size = 100
    let map = lines(
      HeatMap(
        title: "copies", rows: size, columns: size,
        values: Array(repeating: 1, count: size * size)
      ).text)
    // 34 cells a side of 3 x 3.
    #expect(map.count == 36 && map[0].contains("3 x 3") && map[0].contains("9"))
    #expect(map.allSatisfy { $0.count <= 100 })
  }

  @Test func expertMapShowsWhereHotExpertsStand() throws {
    let placement = try ExpertPlacement(
      name: "given", layers: [7], expertCount: 4, slotOffsets: [0, 3, 5],
      physicalToLogical: [[0, 1, 3, 0, 2]])
    // The mean is 10: 0 is above twice, 1 above it, 3 above half, 2 less.
    let map = lines(ExpertMap(placement, layerRow: 0, loads: [21, 11, 2, 6]).text)
    #expect(map[0].contains("layer 7"))
    #expect(map[2] == "0  █▓·▒" && map[3] == "1  █·░·")
    let wide = try ExpertPlacement(
      name: "wide", layers: [0], expertCount: 200, slotOffsets: (0...100).map { 2 * $0 },
      physicalToLogical: [(0..<200).map { Int32($0) }])
    let many = lines(ExpertMap(wide, layerRow: 0, loads: Array(repeating: 1, count: 200)).text)
    // Three blocks of a heading and 40 ranks.
    #expect(many.count == 1 + 3 * 41 + 1 && many.last!.contains("60 more"))
    #expect(many.allSatisfy { $0.count <= 100 })
  }
}
