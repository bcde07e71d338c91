// SPDX-License-Identifier: Apache-2.0
// epsim: a counter in shared memory that tells another rank how far this one is.

internal import CMPIShim

/// A counter in shared memory that one rank raises and others wait for.
///
/// What the writer wrote before ``store(_:)`` the reader sees after ``load()`` or
/// ``wait(until:polling:)`` has returned that value or a later one (release and acquire). A flag
/// has a cache line of its own, so that waiting for it slows nobody down. A reader that counts
/// upwards, one value per exchange, needs no reset.
/// Source: C11 section 7.17.3; MPI 3.1 section 11.4 (loads and stores in the unified model).
public struct SharedFlag {
  /// Bytes that a flag takes: a cache line.
  public static let byteCount = 64
  /// Loads between two calls of `polling`; with the pauses some microseconds.
  private static let spinsPerPoll: Int32 = 64
  /// Polls before the core is given up after each: some thousand loads.
  private static let pollsBeforeYield = 32

  private let word: UnsafeMutablePointer<Int64>

  /// The flag at a byte offset of a segment; it has the value that lies there. Local.
  ///
  /// - Precondition: the address is a multiple of ``byteCount``, and as many bytes follow.
  public init(in segment: UnsafeMutableRawBufferPointer, at offset: Int) {
    precondition(
      offset >= 0 && offset <= segment.count - Self.byteCount,
      "a flag at byte \(offset) of \(segment.count)")
    let address = segment.baseAddress! + offset
    precondition(
      Int(bitPattern: address) % Self.byteCount == 0, "a flag at byte \(offset) is not on a line")
    word = address.assumingMemoryBound(to: Int64.self)
  }

  /// Sets the value, after everything that this rank wrote before. Local, allocates nothing.
  @inline(__always)
  public func store(_ value: Int64) { cmpi_store_release(word, value) }

  /// The value; what its writer wrote before is visible after. Local, allocates nothing.
  @inline(__always)
  public func load() -> Int64 { cmpi_load_acquire(word) }

  /// Waits until the value is `value` or more.
  ///
  /// Spins for some thousand loads, then gives up the core between them, so that more ranks than
  /// cores get on too. Calls `polling` every few microseconds where it waits, not at all where the
  /// value is there: for progress of MPI, or to throw after a time limit. Allocates nothing.
  /// Local; returns when the writer stores.
  public func wait<Failure: Error>(
    until value: Int64, polling: () throws(Failure) -> Void
  ) throws(Failure) {
    var polls = 0
    while !cmpi_spin_until(word, value, Self.spinsPerPoll) {
      try polling()
      polls += 1
      if polls > Self.pollsBeforeYield { cmpi_yield() }
    }
  }

  /// Waits until the value is `value` or more, doing nothing else.
  public func wait(until value: Int64) { wait(until: value) {} }
}

@available(*, unavailable, message: "belongs to memory of one process")
extension SharedFlag: Sendable {}
