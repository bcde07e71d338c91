// SPDX-License-Identifier: Apache-2.0
// epsim: the clock that every span is read from.

internal import Foundation

/// `CLOCK_MONOTONIC_RAW` in nanoseconds: never slewed, and shared by all processes of one
/// clock domain. `MPI_Wtime` is not used: its origin differs per process.
public enum MonotonicClock {
  /// The time now, nanoseconds. Local; about 20 ns a call.
  @inline(__always)
  public static func now() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC_RAW, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }

  /// The smallest step seen between successive readings, nanoseconds (measured, at least 1).
  public static func measuredGranularity() -> Int64 {
    var smallest = Int64.max
    for _ in 0..<1000 {
      let first = now()
      var second = now()
      while second == first { second = now() }
      smallest = min(smallest, second - first)
    }
    return max(1, smallest)
  }
}

/// What makes two processes read the same clock: one boot of one kernel, one time namespace.
public struct ClockDomain: Sendable, Equatable, Hashable, Codable {
  /// Boot id and time namespace, for example `6f1b...|time:[4026531834]`.
  public let identity: String

  /// The domain of this process. Local.
  ///
  /// Where the kernel does not tell the boot id, the host name stands in for it.
  public static var current: ClockDomain {
    let bootID = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
    let namespace = try? FileManager.default.destinationOfSymbolicLink(
      atPath: "/proc/self/ns/time")
    let machine =
      bootID?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ProcessInfo.processInfo.hostName
    return ClockDomain(identity: machine + "|" + (namespace ?? "time:[unknown]"))
  }
}
