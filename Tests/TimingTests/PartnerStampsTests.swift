// SPDX-License-Identifier: Apache-2.0
// epsim: tests of layouts and recorders that hold the completions of partners.

import Testing
import Timing

@Suite struct PartnerStampsTests {
  private let layout = StampLayout(layerCount: 3, partnerCount: 4)

  /// Takes the ordered stamps of a layer, the n-th at `start` + n.
  private func takeLayer(
    _ recorder: inout SpanRecorder, start: Int64, before last: (inout SpanRecorder) -> Void
  ) {
    for stamp in LayerStamp.allCases {
      if stamp == .layerEnd { last(&recorder) }
      recorder.mark(stamp, at: start + Int64(stamp.rawValue))
    }
  }

  @Test func everyStampOfALayoutHasAPlaceOfItsOwn() {
    for partners in [0, 1, 2, 5] {
      let layout = StampLayout(layerCount: 3, partnerCount: partners)
      var places = [0, layout.stampsPerStep - 1]
      for layer in 0..<3 {
        places += LayerStamp.allCases.map { layout.index(of: $0, layer: layer) }
      }
      #expect(places.allSatisfy(layout.isOrdered))
      #expect((0..<layout.stampsPerStep).count { layout.isOrdered($0) } == places.count)
      for layer in 0..<3 where partners > 0 {
        for exchange in Phase.Exchange.allCases {
          let first = layout.firstCompletion(of: exchange, layer: layer)
          places += first...first + partners
        }
      }
      #expect(places.sorted() == Array(0..<layout.stampsPerStep))
    }
    #expect(StampLayout(layerCount: 2) == StampLayout(layerCount: 2, partnerCount: 0))
    #expect(StampLayout(layerCount: 2).stampsPerStep == 2 + 2 * 17)
    #expect(layout.stampsPerStep == 2 + 3 * (17 + 2 * 5))
  }

  @Test func whatIsRecordedIsFoundInTheTimeline() {
    var recorder = SpanRecorder(layout: layout)
    recorder.startStep()
    takeLayer(&recorder, start: 1000) {
      // In any order, before or after the phase; the latest completion and the largest gap count.
      $0.record(pollGap: 3, of: .combine)
      $0.record(partner: 3, of: .combine, completed: 1050)
      $0.record(partner: 0, of: .dispatch, completed: 1009)
      $0.record(partner: 2, of: .dispatch, completed: 1080)
      $0.record(partner: 2, of: .dispatch, completed: 1070)
      $0.record(pollGap: 20, of: .dispatch)
      $0.record(pollGap: 5, of: .dispatch)
      // Complete before the entry: nobody was waited for.
      $0.record(partner: 1, of: .dispatch, completed: 900)
    }
    takeLayer(&recorder, start: 2000) { _ in }
    takeLayer(&recorder, start: 3000) { $0.record(partner: 0, of: .combine, completed: 3014) }
    recorder.endStep()

    var timeline = CaseTimeline(layout: layout, rankCount: 4)
    let step = recorder.lastStep()
    timeline.append(stampsOfRank: Array(repeating: step, count: 4), clockErrors: [0, 0, 0, 0])
    func stamps(_ exchange: Phase.Exchange, _ layer: Int) -> ExchangeStamps {
      timeline.stamps(of: exchange, layer: layer, step: 0)[1]
    }
    let (dispatch, combine) = (
      Int64(LayerStamp.pack.rawValue), Int64(LayerStamp.ungroup.rawValue)
    )
    let first = stamps(.dispatch, 0)
    #expect(first.entry == 1000 + dispatch && first.pollGap == 20)
    #expect(first.completions == [1009, first.entry, 1080, first.entry])
    let second = stamps(.combine, 0)
    #expect(second.completions == [1011, 1011, 1011, 1050] && second.pollGap == 3)
    #expect(second.entry == 1000 + combine)
    for exchange in Phase.Exchange.allCases {
      let none = stamps(exchange, 1)
      #expect(none.completions == Array(repeating: none.entry, count: 4) && none.pollGap == 0)
    }
    #expect(stamps(.combine, 2).completions == [3014, 3011, 3011, 3011])
    #expect(stamps(.dispatch, 2).completions == Array(repeating: 3000 + dispatch, count: 4))
    // Phases are where they were.
    #expect(timeline.stamp(.layerEnd, layer: 2, rank: 3, step: 0) == 3016)
    #expect(timeline.span(rank: 0, step: 0) == step.first!...step.last!)
  }

  @Test func nothingIsLeftOfTheStepBefore() {
    var recorder = SpanRecorder(layout: layout)
    for round in 0..<2 {
      recorder.startStep()
      for layer in 0..<3 {
        takeLayer(&recorder, start: Int64(1000 * layer)) {
          guard round == 0 else { return }
          $0.record(partner: 1, of: .dispatch, completed: 77_777)
          $0.record(pollGap: 55_555, of: .combine)
        }
      }
      recorder.endStep()
      #expect(recorder.lastStep().contains(77_777) == (round == 0))
    }
    #expect(recorder.lastStep().dropFirst().dropLast().allSatisfy { $0 < 3000 })
  }

  @Test func collectivesForgetWhatIsRecorded() {
    var recorder = SpanRecorder(layout: StampLayout(layerCount: 1))
    recorder.startStep()
    takeLayer(&recorder, start: 50) {
      $0.record(partner: 7, of: .dispatch, completed: 99)
      $0.record(pollGap: 99, of: .combine)
    }
    recorder.endStep()
    #expect(recorder.lastStep().dropFirst().dropLast() == ArraySlice((50..<67).map { $0 }))
  }

  @Test func completionsDoNotCountForTheWatchdog() throws {
    let heartbeat = Heartbeat()
    var recorder = SpanRecorder(layout: layout, heartbeat: heartbeat)
    heartbeat.startStep(0, caseIndex: 0)
    recorder.startStep()
    takeLayer(&recorder, start: 0) { $0.record(partner: 1, of: .dispatch, completed: 9) }
    for stamp in LayerStamp.allCases.prefix(through: 4) { recorder.mark(stamp) }
    guard case .step(_, _, let taken) = heartbeat.position else {
      Issue.record("\(heartbeat.position)")
      return
    }
    #expect(taken == 1 + 17 + 5)
    for layout in [layout, StampLayout(layerCount: 3)] {
      let activity = try #require(layout.activity(afterStamps: taken))
      #expect(activity.layer == 1 && activity.phase == .dispatch)
      #expect(layout.activity(afterStamps: 2 + 3 * 17) == nil)
    }
  }

  @Test func theGapSurvivesTheAlignmentOfClocks() {
    var recorder = SpanRecorder(layout: StampLayout(layerCount: 1, partnerCount: 2))
    recorder.startStep()
    takeLayer(&recorder, start: 1_000_000) {
      $0.record(partner: 1, of: .dispatch, completed: 1_000_005)
      $0.record(pollGap: 40_000, of: .dispatch)
    }
    recorder.endStep()
    let clock = ClockAlignment(
      anchors: [
        ClockAnchor(localTime: 0, offset: 1 << 50, bound: 0),
        ClockAnchor(localTime: 1 << 40, offset: 1 << 50, bound: 0),
      ], granularity: 0)
    var timeline = CaseTimeline(
      layout: StampLayout(layerCount: 1, partnerCount: 2), rankCount: 2)
    timeline.append(
      stampsOfRank: [recorder.lastStep(), recorder.lastStep().map(clock.aligned)],
      clockErrors: [0, 0])
    let ranks = timeline.stamps(of: .dispatch, layer: 0, step: 0)
    #expect(ranks.map(\.pollGap) == [40_000, 40_000])
    #expect(ranks[1].completions.map { $0 - ranks[1].entry } == [0, 1])
  }
}
