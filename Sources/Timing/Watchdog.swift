// SPDX-License-Identifier: Apache-2.0
// epsim: notices that a rank makes no progress.

internal import Foundation

/// Looks at a heartbeat from a thread of its own, and speaks up when it stands still.
///
/// It wakes a few times per limit, so it costs the measured thread nothing. Work that a rank does
/// alone, before its steps and after them, may take ten times the limit. Only time in which the
/// watchdog itself ran is counted: a process that was stopped and goes on is not late.
public final class Watchdog: Sendable {
  private let heartbeat: Heartbeat
  private let limit: Double
  private let alarm: @Sendable (Heartbeat.Position) -> Void

  /// - Parameters:
  ///   - limit: seconds without progress after which `alarm` is called, once.
  ///   - alarm: called on the watchdog's thread, with the place where the rank stands.
  public init(
    _ heartbeat: Heartbeat, limit: Double,
    alarm: @escaping @Sendable (Heartbeat.Position) -> Void
  ) {
    self.heartbeat = heartbeat
    self.limit = limit
    self.alarm = alarm
  }

  /// Starts the thread; it lives as long as the process.
  public func start() {
    let thread = Thread { [self] in watch() }
    thread.stackSize = 1 << 20
    thread.start()
  }

  private func watch() {
    var seen = heartbeat.progress
    var still: Int64 = 0
    var lastLook = MonotonicClock.now()
    let pause = min(1, limit / 8)
    while true {
      Thread.sleep(forTimeInterval: pause)
      let now = MonotonicClock.now()
      still += min(now - lastLook, Int64(2e9 * pause))
      lastLook = now
      let progress = heartbeat.progress
      let position = heartbeat.position
      if progress != seen {
        seen = progress
        still = 0
      } else if Double(still) > patience(position) * 1e9 {
        alarm(position)
        return
      }
    }
  }

  /// Seconds that a rank may stand at a position.
  private func patience(_ position: Heartbeat.Position) -> Double {
    switch position {
    case .stage(.finished): .infinity
    case .stage(.preparing), .stage(.checking), .stage(.collecting): 10 * limit
    case .stage, .step: limit
    }
  }
}
