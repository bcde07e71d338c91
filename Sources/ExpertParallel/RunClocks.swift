// SPDX-License-Identifier: Apache-2.0
// epsim: when a run compares the clocks of its ranks, and what it knows about them.

internal import MPI
internal import Timing

/// The clocks of a run: anchors before, between and after its rounds.
final class RunClocks {
  /// Longest time between two anchors, nanoseconds.
  private static let longestGap: Int64 = 10_000_000_000

  private let sync: ClockSync
  private let heartbeat: Heartbeat
  private var lastAnchor = MonotonicClock.now()
  /// [R] how each rank's clock maps to that of rank 0, as known by now.
  private(set) var current: [ClockAlignment]

  /// Finds the clock domains. Collective.
  init(on comm: borrowing Communicator, heartbeat: Heartbeat) throws(MPIError) {
    sync = try ClockSync(on: comm)
    self.heartbeat = heartbeat
    current = try sync.alignments(on: comm)
  }

  var summary: ClockSummary {
    ClockSummary(
      domainOfRank: sync.domainOfRank, alignments: current, causality: sync.causality)
  }

  /// Compares the clocks. Collective.
  func anchor(on comm: borrowing Communicator) throws(MPIError) {
    heartbeat.enter(.synchronisingClocks)
    try sync.anchor(on: comm)
    current = try sync.alignments(on: comm)
    lastAnchor = MonotonicClock.now()
  }

  /// Compares the clocks where the last time was long ago. Collective.
  func anchorIfDue(on comm: borrowing Communicator) throws(MPIError) {
    guard sync.domainCount > 1 else { return }
    let isDue = MonotonicClock.now() - lastAnchor > Self.longestGap
    // Rank 0 decides for all.
    if try comm.broadcast([isDue], root: 0)[0] { try anchor(on: comm) }
  }
}
