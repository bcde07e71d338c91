// SPDX-License-Identifier: Apache-2.0
// epsim: letting time pass, busily or asleep.

internal import Foundation

extension MonotonicClock {
  /// Keeps the core busy until a time of this clock. Local.
  public static func spin(until deadline: Int64) {
    while now() < deadline {}
  }

  /// Sleeps until a time of this clock, at least; the system wakes some 50 us late. Local.
  public static func sleep(until deadline: Int64) {
    while true {
      let remaining = deadline - now()
      guard remaining > 0 else { return }
      var time = timespec(
        tv_sec: Int(remaining / 1_000_000_000), tv_nsec: Int(remaining % 1_000_000_000))
      nanosleep(&time, nil)
    }
  }
}
