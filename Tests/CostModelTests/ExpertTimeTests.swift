// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the roofline of experts.

import CostModel
import Testing

@Suite struct ExpertTimeTests {
  /// 3 x 100 x 10 weights of 2 B; 6000 operations a row, which is 400 B read and written.
  private let widths = ExpertWidths(hiddenSize: 100, ffnSize: 10)

  private func rank(
    rates: [(rows: Double, rate: Double)] = [(1, 1e9)], memory: Double = 1e9, fixed: Double = 0,
    perExpert: Double = 0, speed: Double = 1
  ) -> RankParameters {
    RankParameters(
      efficiencies: rates.map {
        RankParameters.Efficiency(rows: $0.rows, rate: FlopsPerSecond($0.rate))
      }, memory: BytesPerSecond(memory), fixed: .microseconds(fixed),
      perExpert: .microseconds(perExpert), speed: speed)
  }

  @Test func eitherRoofBindsAlone() {
    let products = ExpertTime(rank(memory: .infinity), widths)
    #expect(isClose(products.time(rows: 50, active: 4).microseconds, 300))
    let reading = ExpertTime(rank(rates: [(1, .infinity)]), widths)
    // 4 experts of 6 kB and 50 rows of 400 B.
    #expect(isClose(reading.time(rows: 50, active: 4).microseconds, 44))
    // Nothing binds.
    #expect(
      ExpertTime(rank(rates: [], memory: .infinity), widths).time(rows: 5, active: 1) == .zero)
  }

  @Test func nearTheRidgeTheRoofIsSmooth() {
    // 6 us of products; 6 kB and 400 B at a rate that takes as long.
    let time = ExpertTime(rank(memory: 6400 / 6e-6), widths).time(rows: 1, active: 1)
    let both = 6 * 2.0.squareRoot().squareRoot()
    #expect(isClose(time.microseconds, both))
  }

  @Test func theRateFollowsTheRowsOfEachExpert() {
    let time = ExpertTime(rank(rates: [(1, 1e9), (16, 3e9)], memory: .infinity), widths)
    #expect(isClose(time.time(rows: 1, active: 1).microseconds, 6))
    // Half-way in the logarithms: the geometric mean of both rates.
    let middle = 24 / 3.0.squareRoot()
    #expect(isClose(time.time(rows: 4, active: 1).microseconds, middle))
    #expect(isClose(time.time(rows: 160, active: 1).microseconds, 320))
    // Below the first and above the last point the nearest counts.
    #expect(isClose(time.time(rows: 0.5, active: 1).microseconds, 3))
    #expect(isClose(time.time(rowsPerExpert: [1, 0, 4, 160]).microseconds, 326 + middle))
    #expect(isClose(time.time(rows: 32, active: 2).microseconds, 64))
  }

  @Test func fixedCostsAndSpeedAreAdded() {
    let slow = ExpertTime(
      rank(memory: .infinity, fixed: 9, perExpert: 2, speed: 0.5), widths)
    // 9 us, and twice as long as 8 us for 4 experts and 300 us of products.
    #expect(isClose(slow.time(rows: 50, active: 4).microseconds, 625))
    #expect(isClose(slow.time(rowsPerExpert: [20, 10, 10, 10]).microseconds, 625))
    #expect(slow.time(rows: 0, active: 0) == .zero)
    #expect(slow.time(rowsPerExpert: [0, 0]) == .zero)
    #expect(slow.rank.planTime(assignments: 7) == .zero)
    #expect(slow.rank.copyTime(Bytes(7)) == .zero)
  }

  @Test func moreRowsOrExpertsNeverTakeLessTime() {
    let time = ExpertTime(
      rank(rates: [(1, 1e8), (8, 6e8), (64, 1e9)], memory: 5e8, fixed: 3, perExpert: 1), widths)
    for rows in 1..<200 {
      let one = time.time(rows: Double(rows), active: 4)
      #expect(time.time(rows: Double(rows), active: 5) > one)
      #expect(time.time(rows: Double(rows + 10), active: 4) > one)
    }
  }

  @Test func extremesStayFinite() {
    let time = ExpertTime(rank(memory: 1e-200), widths)
    #expect(time.time(rows: 1, active: 1).value.isFinite)
    #expect(ExpertTime(rank(memory: 0), widths).time(rows: 1, active: 1) == .infinity)
  }
}
