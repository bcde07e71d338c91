// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the times of phases that interleave.

import Testing
import Timing

@Suite struct PhaseLedgerTests {
  private let layout = StampLayout(layerCount: 2, hasFlights: true)

  /// One layer whose experts are interrupted by dispatch and combine.
  private func takeLayer(_ recorder: inout SpanRecorder, _ ledger: PhaseLedger, start: Int64) {
    recorder.mark(.layerStart, at: start)
    ledger.begin(at: start + 1)
    for (phase, time) in [
      (Phase.route, 3), (.plan, 7), (.pack, 8), (.dispatch, 18), (.group, 20), (.expert, 120),
      (.dispatch, 125), (.expert, 225), (.ungroup, 226), (.combine, 236), (.expert, 300),
    ] as [(Phase, Int64)] {
      ledger.book(phase, at: start + time)
    }
    ledger.bookSelfCopy(.combine, at: start + 304)
    ledger.book(.reduce, at: start + 310)
    ledger.writeStamps(into: &recorder)
    recorder.record(flightOf: .dispatch, from: start + 9, to: start + 124)
    // Nothing was under way.
    recorder.record(flightOf: .combine, from: start + 230, to: 0)
    recorder.mark(.layerEnd, at: start + 311)
  }

  @Test func everyMomentIsBookedOnce() {
    let ledger = PhaseLedger()
    var recorder = SpanRecorder(layout: layout)
    // A second step must not see the first.
    for start in [1_000_000, 5_000_000] as [Int64] {
      recorder.startStep()
      takeLayer(&recorder, ledger, start: start)
      takeLayer(&recorder, ledger, start: start + 1000)
      recorder.endStep()
    }
    var timeline = CaseTimeline(layout: layout, rankCount: 1)
    timeline.append(stampsOfRank: [recorder.lastStep()], clockErrors: [0])
    let expected: [Phase: Double] = [
      .route: 2, .plan: 4, .pack: 1, .dispatch: 15, .group: 2, .expert: 264, .shared: 0,
      .ungroup: 1, .combine: 14, .reduce: 6,
    ]
    for layer in 0..<2 {
      for phase in Phase.allCases {
        let time = timeline.time(of: phase, rank: 0, step: 0, layer: layer) * 1000
        #expect(abs(time - expected[phase]!) < 1e-6, "\(phase)")
      }
    }
    let combine = timeline.stamps(of: .combine, layer: 1, step: 0)[0]
    #expect(combine.exit - combine.arrived == 4 && combine.entered == combine.entry)
    // Begin and end of the layer are read apart from its phases.
    #expect(abs(TimelineChecks(timeline).largestGap * 1000 - 2) < 1e-6)
    #expect(TimelineChecks(timeline).backwardStamps == 0)
    #expect(timeline.flightTime(of: .dispatch, rank: 0, step: 0) * 1000 == 230)
    #expect(timeline.flightTime(of: .combine, rank: 0, step: 0) == 0)
  }

  @Test func flightsHavePlacesOfTheirOwn() {
    for partners in [0, 2] {
      let layout = StampLayout(layerCount: 3, partnerCount: partners, hasFlights: true)
      var places = [0, layout.stampsPerStep - 1]
      for layer in 0..<3 {
        places += LayerStamp.allCases.map { layout.index(of: $0, layer: layer) }
      }
      #expect((0..<layout.stampsPerStep).filter(layout.isOrdered) == places.sorted())
      for layer in 0..<3 {
        for exchange in Phase.Exchange.allCases {
          let start = layout.startOfFlight(of: exchange, layer: layer)
          places += [start, start + 1]
          guard partners > 0 else { continue }
          let first = layout.firstCompletion(of: exchange, layer: layer)
          places += first...first + partners
        }
      }
      #expect(places.sorted() == Array(0..<layout.stampsPerStep))
    }
    // A recorder without flights takes none.
    var recorder = SpanRecorder(layout: StampLayout(layerCount: 2))
    recorder.startStep()
    takeLayer(&recorder, PhaseLedger(), start: 10)
    takeLayer(&recorder, PhaseLedger(), start: 500)
    recorder.endStep()
    #expect(recorder.lastStep().count == 2 + 2 * 17)
  }

  @Test func aLayerThatTakesItsStampsLateSaysWhereItIs() {
    let heartbeat = Heartbeat()
    var recorder = SpanRecorder(layout: layout, heartbeat: heartbeat)
    heartbeat.startStep(0, caseIndex: 0)
    recorder.startStep()
    for layer in 0..<2 {
      let start = Int64(1000 * layer)
      recorder.mark(.layerStart, at: start)
      for (stamp, phase) in [(LayerStamp.pack, Phase.dispatch), (.ungroup, .combine)] {
        recorder.reached(stamp)
        guard case .step(_, _, let stamps) = heartbeat.position else {
          Issue.record("not in a step")
          return
        }
        let activity = layout.activity(afterStamps: stamps)
        #expect(activity?.layer == layer && activity?.phase == phase)
      }
      for stamp in LayerStamp.allCases.dropFirst() {
        recorder.mark(stamp, at: start + Int64(stamp.rawValue))
      }
    }
    recorder.endStep()
  }
}
