// SPDX-License-Identifier: Apache-2.0
// epsim: tests of stamps, phases and the times that follow from them.

import Testing
import Timing

@Suite struct CaseTimelineTests {
  @Test func phasesAndOtherAddUpToTheRanksWallTime() {
    let one = timeline([stamps([2, 3, 5, 9, 10, 20, 21, 22, 25, 26], start: 1, stepEnd: 30)])
    let phases = Phase.allCases.map { one.time(of: $0, rank: 0, step: 0) }
    #expect(phases == [1, 1, 2, 4, 1, 10, 1, 1, 3, 1])
    #expect(one.otherTime(rank: 0, step: 0) == 4)
    #expect(phases.reduce(0, +) + 4 == one.wallTime(rank: 0, step: 0))
  }

  @Test func lateRankMakesTheOtherWait() {
    // Rank 1 enters dispatch 5000 us late; both leave at 6000 us, after 10 us of own copies.
    let two = timeline([
      stamps([1, 2, 10, 6000, 6001, 6002, 6003, 6004, 6014, 6015], selfCopy: 10),
      stamps([1, 2, 5010, 6000, 6001, 6002, 6003, 6004, 6014, 6015], selfCopy: 10),
    ])
    let dispatch = two.times(of: .dispatch, step: 0)
    #expect(dispatch.map(\.wait) == [5000, 0])
    #expect(dispatch.map(\.transfer) == [980, 980])
    #expect(dispatch.map(\.selfCopy) == [10, 10])
    #expect(dispatch.map(\.total) == [5990, 990])
    #expect(two.times(of: .combine, step: 0).map(\.wait) == [0, 0])
  }

  @Test func stepTimeIsLatestEndMinusLatestStart() {
    let two = timeline([
      stamps([1, 2, 3, 4, 5, 6, 7, 8, 9, 100], start: 0),
      stamps([21, 22, 23, 24, 25, 26, 27, 28, 29, 90], start: 20),
    ])
    #expect(two.stepTimes() == [80])
  }

  @Test func stepsOfSeveralGroupsStandSideBySide() {
    var two = timeline([stamps([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])])
    // Days later, on another launch: only differences within a step count.
    let days: Int64 = 300 * 86_400_000_000
    two.append(
      stampsOfRank: [stamps((1...10).map { days + 2 * $0 }, start: days)], clockErrors: [7])
    #expect(two.stepTimes() == [10, 20])
    #expect(two.time(of: .expert, rank: 0, step: 1) == 2)
  }

  @Test func recorderTakesEveryStampInOrderAndTellsTheWatchdog() {
    let heartbeat = Heartbeat()
    let layout = StampLayout(layerCount: 2)
    var recorder = SpanRecorder(layout: layout, heartbeat: heartbeat)
    heartbeat.startStep(5, caseIndex: 3)
    #expect(heartbeat.position == .stage(.betweenSteps))
    var progress: Set<Int> = [heartbeat.progress]
    recorder.startStep()
    for _ in 0..<2 {
      for stamp in LayerStamp.allCases {
        recorder.mark(stamp)
        progress.insert(heartbeat.progress)
      }
    }
    recorder.endStep()
    #expect(recorder.lastStep() == recorder.lastStep().sorted() && recorder.lastStep()[0] > 0)
    #expect(progress.count == 1 + 2 * LayerStamp.allCases.count)
    #expect(
      heartbeat.position == .step(caseIndex: 3, step: 5, stamps: layout.stampsPerStep))
    #expect(SpanRecorder.measuredCost() > 0)
  }

  @Test func positionOfARankNamesLayerAndPhase() throws {
    let layout = StampLayout(layerCount: 2)
    #expect(layout.activity(afterStamps: 0) == nil)
    // The step's start and the stamps of the first layer up to pack: it is in dispatch.
    let taken = layout.index(of: .pack, layer: 0) + 1
    #expect(try #require(layout.activity(afterStamps: taken)).phase == .dispatch)
    let inside = layout.index(of: .combineEntered, layer: 1) + 1
    let second = try #require(layout.activity(afterStamps: inside))
    #expect(second.layer == 1 && second.phase == .combine)
    #expect(layout.activity(afterStamps: layout.stampsPerStep) == nil)
  }

  @Test func clockRunsForwardWithinOneDomain() {
    let first = MonotonicClock.now()
    #expect(MonotonicClock.now() >= first)
    #expect(MonotonicClock.measuredGranularity() >= 1)
    #expect(ClockDomain.current == ClockDomain.current)
  }

  @Test func pausesLastAtLeastTheirTime() {
    let start = MonotonicClock.now()
    MonotonicClock.sleep(until: start + 2_000_000)
    let woken = MonotonicClock.now()
    #expect(woken >= start + 2_000_000)
    MonotonicClock.spin(until: woken + 100_000)
    #expect(MonotonicClock.now() >= woken + 100_000)
    // A time that has passed is no pause, however long ago.
    MonotonicClock.sleep(until: 0)
    MonotonicClock.spin(until: 0)
  }
}
