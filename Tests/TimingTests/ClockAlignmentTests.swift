// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the map from one clock to another against known truths.

import Foundation
import Testing
import Timing

@Suite("Clock alignment")
struct ClockAlignmentTests {
  private static let second: Int64 = 1_000_000_000
  private static let day = 86_400 * second

  /// Anchors whose offsets are wrong by up to `bound`, at the given times.
  private func anchors(
    at times: [Int64], bound: Int64, seed: UInt64, truth: (Int64) -> Int64
  ) -> [ClockAnchor] {
    var random = SeededGenerator(seed: seed)
    return times.map {
      ClockAnchor(
        localTime: $0, offset: truth($0) + Int64.random(in: -bound...bound, using: &random),
        bound: bound)
    }
  }

  @Test("without anchors times stay as they are, and only the granularity is in the error")
  func identity() {
    let alignment = ClockAlignment(anchors: [], granularity: 20)
    #expect(alignment.aligned(123_456_789_012_345_678) == 123_456_789_012_345_678)
    #expect(alignment.error(at: 5) == 20 && alignment.maximumError == 20)
    #expect(alignment.isVerified && alignment.driftPPM == nil && alignment.residual == 0)
  }

  @Test("one anchor shifts all times; away from it the error grows by the assumed drift")
  func oneAnchor() {
    let anchor = ClockAnchor(localTime: Self.second, offset: -300 * Self.day - 1, bound: 500)
    let alignment = ClockAlignment(anchors: [anchor], granularity: 20)
    #expect(alignment.aligned(Self.second + 7) == Self.second + 6 - 300 * Self.day)
    #expect(alignment.error(at: Self.second) == 520 && alignment.maximumError == 520)
    #expect(alignment.error(at: 2 * Self.second) == 520 + 100_000)
    #expect(!alignment.isVerified && alignment.driftPPM == nil)
  }

  @Test(
    "a drift of 50 ppm is found, and the truth lies within the error at all times",
    arguments: [0, 300 * day, -300 * day], [50, -50] as [Int64])
  func drift(origin: Int64, ppm: Int64) throws {
    let start = 4 * Self.day
    func truth(_ local: Int64) -> Int64 { origin + (local - start) / 1_000_000 * ppm }
    for seed in 0..<20 as Range<UInt64> {
      let times = [0, 3, 10, 11, 30].map { start + $0 * Self.second }
      let alignment = ClockAlignment(
        anchors: anchors(at: times, bound: 700, seed: seed, truth: truth), granularity: 1)
      #expect(abs(try #require(alignment.driftPPM) - Double(ppm)) < 0.05)
      #expect(alignment.isVerified)
      for local in stride(from: start, through: start + 30 * Self.second, by: 77_777_777) {
        let error = abs(alignment.offset(at: local) - truth(local))
        #expect(error <= alignment.error(at: local))
        #expect(alignment.error(at: local) <= alignment.maximumError)
      }
      // Outside the anchors too, where the error grows.
      for local in [start - 20 * Self.second, start + 100 * Self.second] {
        let error = abs(alignment.offset(at: local) - truth(local))
        #expect(error <= alignment.error(at: local))
        #expect(alignment.error(at: local) > alignment.maximumError)
      }
    }
  }

  @Test("at its anchors the map is exact, whatever the offsets")
  func exactAtAnchors() {
    let anchors = [
      ClockAnchor(localTime: 1, offset: 300 * Self.day + 1, bound: 1),
      ClockAnchor(localTime: 7 * Self.day + 3, offset: 300 * Self.day + 987_654_321, bound: 1),
      ClockAnchor(localTime: 8 * Self.day + 9, offset: 300 * Self.day - 123_456_789, bound: 1),
    ]
    let alignment = ClockAlignment(anchors: anchors, granularity: 1)
    for anchor in anchors { #expect(alignment.offset(at: anchor.localTime) == anchor.offset) }
  }

  @Test("the residual of the inner anchor is its distance from the line of the outer two")
  func residual() {
    func alignment(_ middle: Int64) -> ClockAlignment {
      ClockAlignment(
        anchors: [
          ClockAnchor(localTime: 0, offset: 1_000, bound: 10),
          ClockAnchor(localTime: 1_000_000, offset: middle, bound: 40),
          ClockAnchor(localTime: 4_000_000, offset: 1_400, bound: 20),
        ], granularity: 3)
    }
    #expect(alignment(1_100).residual == 0)
    #expect(alignment(1_350).residual == 250)
    #expect(alignment(1_050).residual == 50)
    #expect(alignment(1_050).maximumError == 93)
    #expect(alignment(1_050).error(at: 2_000_000) == 93)
    #expect(alignment(1_050).offset(at: 500_000) == 1_025)
  }

  @Test("a drift that changes evenly stays within the error once an inner anchor is taken")
  func curvedDrift() {
    // 2 ppm faster each second: 10 us off the line after 10 s, known to 0.2 us.
    func truth(_ local: Int64) -> Int64 {
      let milliseconds = local / 1_000_000
      return milliseconds * milliseconds / 1_000
    }
    let times = [0, 5, 10].map { $0 * Self.second }
    let alignment = ClockAlignment(
      anchors: anchors(at: times, bound: 200, seed: 3, truth: truth), granularity: 1)
    #expect(alignment.residual > 20_000)
    for local in stride(from: 0, through: 10 * Self.second, by: 33_333_333) {
      #expect(abs(alignment.offset(at: local) - truth(local)) <= alignment.error(at: local))
    }
  }

  @Test("two close anchors do not carry their noise far")
  func closeAnchors() {
    // 1 ms apart and 5 us wrong: a slope of 1 % taken at its word would be 100 ms off after 10 s.
    let alignment = ClockAlignment(
      anchors: [
        ClockAnchor(localTime: 0, offset: -5_000, bound: 5_000),
        ClockAnchor(localTime: 1_000_000, offset: 5_000, bound: 5_000),
      ], granularity: 1)
    for local in [-10 * Self.second, 10 * Self.second] {
      #expect(abs(alignment.offset(at: local)) <= 1_005_000)
      #expect(abs(alignment.offset(at: local)) <= alignment.error(at: local))
    }
  }

  @Test("survives JSON unchanged; anchors out of order are refused")
  func coding() throws {
    let alignment = ClockAlignment(
      anchors: anchors(at: [5, 60, 700], bound: 30, seed: 1) { _ in -300 * Self.day - 7 },
      granularity: 21)
    let data = try JSONEncoder().encode(alignment)
    #expect(try JSONDecoder().decode(ClockAlignment.self, from: data) == alignment)

    let wrong = """
      {"granularity": 1, "anchors": [{"localTime": 5, "offset": 1, "bound": 1},
        {"localTime": 5, "offset": 2, "bound": 1}]}
      """
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(ClockAlignment.self, from: Data(wrong.utf8))
    }
  }
}
