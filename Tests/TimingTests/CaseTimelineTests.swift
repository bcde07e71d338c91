// SPDX-License-Identifier: Apache-2.0
// epsim: tests of stamps, phases and the wait/transfer split.

import Testing
import Timing

@Suite struct CaseTimelineTests {
  let layout = StampLayout(layerCount: 1)

  /// One step of one layer: start, layer start, the ends of ten phases, step end (microseconds).
  private func stamps(_ ends: [Int64], start: Int64 = 0) -> [Int64] {
    precondition(ends.count == 10)
    return ([start, start] + ends + [ends.last!]).map { $0 * 1000 }
  }

  @Test func phasesAndOtherAddUpToTheRanksWallTime() {
    let timeline = CaseTimeline(
      layout: layout,
      stampsOfRank: [
        [0, 1000, 2000, 3000, 5000, 9000, 10000, 20000, 21000, 22000, 25000, 26000, 30000]
      ],
      clocksAreAligned: true)
    let phases = Phase.allCases.map { timeline.time(of: $0, rank: 0, step: 0) }
    #expect(phases == [1, 1, 2, 4, 1, 10, 1, 1, 3, 1])
    #expect(timeline.otherTime(rank: 0, step: 0) == 5)
    #expect(phases.reduce(0, +) + 5 == timeline.wallTime(rank: 0, step: 0))
  }

  @Test func lateRankMakesTheOtherWait() throws {
    // Rank 1 enters dispatch 5000 us late; both leave at 6000 us.
    let early: [Int64] = [1, 2, 10, 6000, 6001, 6002, 6003, 6004, 6010, 6011]
    let late: [Int64] = [1, 2, 5010, 6000, 6001, 6002, 6003, 6004, 6010, 6011]
    let timeline = CaseTimeline(
      layout: layout, stampsOfRank: [stamps(early), stamps(late)], clocksAreAligned: true)
    let split = try #require(timeline.split(.dispatch, step: 0))
    #expect(split[0].wait == 5000 && split[0].transfer == 990)
    #expect(split[1].wait == 0 && split[1].transfer == 990)
    #expect(try #require(timeline.split(.combine, step: 0))[0].wait == 0)
  }

  @Test func waitNeverExceedsTheTimeInTheExchange() {
    // A rank that left before the last one entered waited all its time, not longer.
    let split = ExchangeSplit.split(entries: [0, 100], exits: [40, 130])
    #expect(split[0].wait == 40 && split[0].transfer == 0)
    #expect(split[1].wait == 0 && split[1].transfer == 30)
  }

  @Test func stepTimeIsLatestEndMinusLatestStart() {
    let first = stamps([1, 2, 3, 4, 5, 6, 7, 8, 9, 100], start: 0)
    let second = stamps([21, 22, 23, 24, 25, 26, 27, 28, 29, 90], start: 20)
    let ranks = [first, second]
    #expect(
      CaseTimeline(layout: layout, stampsOfRank: ranks, clocksAreAligned: true).stepTimes() == [80])
    let unaligned = CaseTimeline(layout: layout, stampsOfRank: ranks, clocksAreAligned: false)
    #expect(unaligned.stepTimes() == [100])
    #expect(unaligned.split(.dispatch, step: 0) == nil)
  }

  @Test func recorderKeepsMeasuredStepsAndForgetsWarmUp() {
    var recorder = SpanRecorder(layout: layout, stepCapacity: 2)
    for keep in [false, true, false, true] {
      for _ in 0..<layout.stampsPerStep { recorder.mark() }
      recorder.finishStep(keep: keep)
    }
    #expect(recorder.stepCount == 2)
    let kept = recorder.kept()
    #expect(kept.count == 2 * layout.stampsPerStep)
    #expect(kept == kept.sorted() && kept[0] > 0)
  }

  @Test func clockRunsForwardWithinOneDomain() {
    let first = MonotonicClock.now()
    #expect(MonotonicClock.now() >= first)
    #expect(MonotonicClock.measuredGranularity() >= 1)
    #expect(ClockDomain.current == ClockDomain.current)
  }
}
