// SPDX-License-Identifier: Apache-2.0
// epsim: the offset between two clocks from probes, with a bound that causality guarantees.

/// The offset of the root's clock at one moment of a local clock.
public struct ClockAnchor: Sendable, Codable, Equatable {
  /// The moment on the local clock, nanoseconds.
  public let localTime: Int64
  /// Root's clock minus local clock, nanoseconds.
  public let offset: Int64
  /// The true offset at `localTime` is at most so far from `offset`, nanoseconds, provided that
  /// the clocks drift by no more than ``OffsetEnvelope/assumedDrift`` against each other.
  public let bound: Int64

  public init(localTime: Int64, offset: Int64, bound: Int64) {
    precondition(bound >= 0, "a bound of \(bound) ns holds for no offset")
    self.localTime = localTime
    self.offset = offset
    self.bound = bound
  }
}

/// The offsets that are possible after all probes so far.
///
/// A probe leaves here at t1, is stamped s by the root and is back at t2. The stamp was taken in
/// between, so the offset root - local lies in `s - t2 ... s - t1`, however the way there and the
/// way back share the round trip; the truth lies in the intersection over all probes. Half its
/// width is the bound: about half of the shortest round trip.
/// Only differences are computed, in integers: origins of clocks may lie years apart.
/// Source: after the clock synchronisation of the MPI benchmark SKaMPI, which keeps the minimum and
/// the maximum over ping-pongs.
public struct OffsetEnvelope: Sendable {
  /// How fast two clocks may drift apart: 1e-4, 100 microseconds per second; crystals stay below.
  public static let assumedDrift = 1e-4

  /// What one or more probes leave possible, and the local time over which they were taken.
  private struct Interval {
    var low: Int64
    var high: Int64
    var start: Int64
    var end: Int64

    /// The middle of the offsets at the middle of the time.
    ///
    /// Each probe speaks of the offset at its own time, which is at most half the window away from
    /// the middle: so much may the offset have drifted.
    var anchor: ClockAnchor {
      let halfWindow = (end - start + 1) / 2
      let drifted = Int64((Double(halfWindow) * OffsetEnvelope.assumedDrift).rounded(.up))
      return ClockAnchor(
        localTime: start + (end - start) / 2, offset: low + (high - low) / 2,
        bound: (high - low + 1) / 2 + drifted)
    }
  }

  private var envelope: Interval?
  private var shortest: Interval?

  public init() {}

  /// Takes in one probe; times in nanoseconds, `stamped` on the root's clock, the others on the
  /// local one.
  public mutating func add(sent: Int64, stamped: Int64, received: Int64) {
    precondition(sent <= received, "a probe sent at \(sent) ns came back at \(received) ns")
    let probe = Interval(
      low: stamped - received, high: stamped - sent, start: sent, end: received)
    let (best, all) = (shortest ?? probe, envelope ?? probe)
    shortest = received - sent < best.end - best.start ? probe : best
    envelope = Interval(
      low: max(all.low, probe.low), high: min(all.high, probe.high),
      start: min(all.start, sent), end: max(all.end, received))
  }

  /// The offset that all probes allow; nil without probes, and where they contradict each other
  /// because a clock was stepped or drifts too fast: discard them and probe again.
  public var anchor: ClockAnchor? {
    guard let envelope, envelope.low <= envelope.high else { return nil }
    return envelope.anchor
  }

  /// The offset that the probe with the shortest round trip allows; nil without probes.
  ///
  /// One probe never contradicts itself: this is the way out where probes go on contradicting.
  public var anchorOfShortestProbe: ClockAnchor? { shortest?.anchor }
}
