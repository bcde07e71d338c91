// SPDX-License-Identifier: Apache-2.0
// epsim: notices that a rank makes no progress.

internal import Foundation

/// Looks at a heartbeat from a thread of its own, and speaks up when it stands still.
///
/// It wakes a few times per limit, so it costs the measured thread nothing. Work that a rank does
/// alone, before its steps and after them, may take ten times the limit.
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
    var since = MonotonicClock.now()
    while true {
      Thread.sleep(forTimeInterval: min(1, limit / 8))
      let progress = heartbeat.progress
      let position = heartbeat.position
      if progress != seen {
        seen = progress
        since = MonotonicClock.now()
      } else if Double(MonotonicClock.now() - since) > patience(position) * 1e9 {
        alarm(position)
        return
      }
    }
  }

  /// Seconds that a rank may stand at a position.
  private func patience(_ position: Heartbeat.Position) -> Double {
    switch position {
    case .stage(.preparing), .stage(.checking): 10 * limit
    case .stage, .step: limit
    }
  }
}
