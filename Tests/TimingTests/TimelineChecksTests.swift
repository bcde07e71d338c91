// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the self-tests of a timeline: each must be able to fail.

import Testing
import Timing

@Suite struct TimelineChecksTests {
  private let ends: [Int64] = [1, 2, 10, 60, 61, 62, 63, 64, 70, 71]

  @Test func soundTimelineHasNoGapAndNoViolation() {
    let checks = TimelineChecks(
      timeline([stamps(ends), stamps(ends)]))
    #expect(checks.largestGap == 0 && checks.backwardStamps == 0)
    #expect(checks.causalityChecks == 2 && checks.causalityViolations == 0)
  }

  @Test func timeOutsideThePhasesIsAGap() {
    var rank = stamps(ends)
    // The layer ends 29 us after its last phase.
    rank[1 + LayerStamp.layerEnd.rawValue] = 100_000
    rank[rank.count - 1] = 100_000
    let checks = TimelineChecks(timeline([rank]))
    #expect(abs(checks.largestGap - 29) < 1e-9 && abs(checks.largestGapShare - 0.29) < 1e-9)
  }

  @Test func stampThatLiesBackIsCounted() {
    var rank = stamps(ends)
    rank[1 + LayerStamp.group.rawValue] = 5000
    #expect(TimelineChecks(timeline([rank])).backwardStamps == 1)
  }

  @Test func leavingBeforeTheOtherHasEnteredBreaksCausality() {
    // By the clocks, rank 1 enters dispatch 40 us after rank 0 has left it.
    let ranks = [stamps(ends), stamps(ends.map { $0 + 90 }, start: 90)]
    let broken = TimelineChecks(timeline(ranks))
    #expect(broken.causalityChecks == 2 && broken.causalityViolations == 1)
    // Clocks that are known no better than that explain it.
    let excused = TimelineChecks(
      timeline(ranks, errors: [20_000, 20_000]))
    #expect(excused.causalityViolations == 0)
  }

  @Test func causalityHoldsForPartnersOnly() {
    // Rank 2 enters dispatch 40 us after the others have left it.
    func checks(ofRank0With dispatch: [Int64?]) -> TimelineChecks {
      let none: [Int64?] = [nil, nil, nil]
      return TimelineChecks(
        timeline(
          [
            stamps(stamps(ends), dispatch: dispatch, combine: none),
            stamps(stamps(ends), dispatch: [60, nil, nil], combine: none),
            stamps(stamps(ends.map { $0 + 90 }, start: 90), dispatch: none, combine: none),
          ], hasPartners: true))
    }
    let sound = checks(ofRank0With: [nil, 60, nil])
    #expect(sound.causalityChecks == 2 && sound.causalityViolations == 0)
    #expect(sound.largestGap == 0 && sound.backwardStamps == 0)
    let broken = checks(ofRank0With: [nil, 60, 60])
    #expect(broken.causalityChecks == 3 && broken.causalityViolations == 1)
  }
}
