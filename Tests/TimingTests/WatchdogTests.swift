// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the thread that notices that a rank stands still.

import Foundation
import Synchronization
import Testing
import Timing

@Suite struct WatchdogTests {
  /// What a watchdog has said so far.
  private final class Alarms: Sendable {
    private let positions = Mutex<[(position: Heartbeat.Position, at: ContinuousClock.Instant)]>([])

    func take(_ position: Heartbeat.Position) {
      positions.withLock { $0.append((position, .now)) }
    }
    var all: [Heartbeat.Position] { positions.withLock { $0.map(\.position) } }
    var first: ContinuousClock.Instant? { positions.withLock { $0.first?.at } }
  }

  private func watch(_ heartbeat: Heartbeat, limit: Double) -> Alarms {
    let alarms = Alarms()
    Watchdog(heartbeat, limit: limit) { alarms.take($0) }.start()
    return alarms
  }

  /// Waits for the first alarm, for so long at most.
  private func alarm(_ alarms: Alarms, within seconds: Double) -> Bool {
    let end = ContinuousClock.now + .seconds(seconds)
    while alarms.all.isEmpty, ContinuousClock.now < end { usleep(5_000) }
    return !alarms.all.isEmpty
  }

  @Test("a heartbeat that stands in a step is reported once, with its place")
  func standing() {
    let heartbeat = Heartbeat()
    var recorder = SpanRecorder(layout: StampLayout(layerCount: 2), heartbeat: heartbeat)
    heartbeat.startStep(7, caseIndex: 3)
    recorder.startStep()
    for stamp in LayerStamp.allCases.prefix(4) { recorder.mark(stamp) }
    let alarms = watch(heartbeat, limit: 0.1)
    #expect(alarm(alarms, within: 20))
    usleep(500_000)
    #expect(alarms.all == [.step(caseIndex: 3, step: 7, stamps: 5)])
  }

  @Test("a heartbeat that moves is not reported, however long the whole takes")
  func moving() {
    let heartbeat = Heartbeat()
    // Far more than a step of the loop takes, far less than the loop.
    let alarms = watch(heartbeat, limit: 1)
    for step in 0..<25 {
      heartbeat.startStep(step, caseIndex: 0)
      usleep(100_000)
      #expect(alarms.all.isEmpty)
    }
  }

  @Test(
    "what a rank does alone may take ten times as long",
    arguments: [Heartbeat.Stage.preparing, .checking])
  func alone(stage: Heartbeat.Stage) throws {
    let start = ContinuousClock.now
    let (working, waiting) = (Heartbeat(), Heartbeat())
    working.enter(stage)
    waiting.enter(.betweenSteps)
    let slow = watch(working, limit: 0.2)
    let quick = watch(waiting, limit: 0.2)
    #expect(alarm(quick, within: 20) && alarm(slow, within: 20))
    #expect(slow.all == [.stage(stage)])
    #expect(quick.all == [.stage(.betweenSteps)])
    // Ten times the limit at least, and only the limit is what the others have.
    #expect(try #require(slow.first) - start >= .seconds(2))
    #expect(try #require(quick.first) - start >= .seconds(0.2))
    #expect(try #require(quick.first) < #require(slow.first))
  }
}
