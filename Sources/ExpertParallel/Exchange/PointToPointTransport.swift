// SPDX-License-Identifier: Apache-2.0
// epsim: rows as messages between the ranks that have rows for each other.

internal import MPI
internal import Timing

/// Non-blocking messages, rotated: rank r begins with rank r + 1, so that not all begin with the
/// same one. Parts without rows are skipped, and ranks that share none do not meet.
///
/// Up to 64 ranks all messages are under way at once; beyond, a window of 32 partners.
final class PointToPointTransport: RowTransport {
  var partnerTimes: PartnerTimes? { times }

  private let times: PartnerTimes
  private let requests: RequestSet
  private let window: Int
  private let peerOfSlot: UnsafeMutableBufferPointer<Int32>

  init(rankCount: Int) {
    window = rankCount <= 64 ? rankCount : 32
    requests = RequestSet(capacity: 2 * window)
    times = PartnerTimes(rankCount: rankCount)
    peerOfSlot = .zeroed(requests.capacity)
  }

  deinit { peerOfSlot.deallocate() }

  func exchange(
    _ way: Phase.Exchange, rows: UnsafeRawPointer, _ sends: Partition,
    into result: UnsafeMutableRawPointer, _ receives: Partition, row: borrowing RowDatatype,
    on comm: borrowing Communicator
  ) throws(MPIError) {
    times.clear()
    var left = MonotonicClock.now()
    for distance in 1..<max(1, comm.size) {
      // Room for a message each way.
      while requests.pendingCount > 2 * (window - 1) { try collect(since: &left) }
      let source = (comm.rank - distance + comm.size) % comm.size
      let incoming = receives[source]
      if !incoming.isEmpty {
        let slot = try requests.startReceive(
          into: result + incoming.lowerBound * row.byteCount, count: incoming.count, row: row,
          from: source, tag: way.messageTag, on: comm)
        peerOfSlot[slot] = Int32(truncatingIfNeeded: source)
      }
      let destination = (comm.rank + distance) % comm.size
      let outgoing = sends[destination]
      if !outgoing.isEmpty {
        let slot = try requests.startSend(
          rows: rows + outgoing.lowerBound * row.byteCount, count: outgoing.count, row: row,
          to: destination, tag: way.messageTag, on: comm)
        peerOfSlot[slot] = Int32(truncatingIfNeeded: destination)
      }
    }
    while requests.pendingCount > 0 { try collect(since: &left) }
    // A message that was only sent may be complete before its receiver is there.
    for peer in receives.counts.indices where receives.counts[peer] == 0 {
      times.completions[peer] = 0
    }
  }

  /// Waits until a message is complete, and stamps it.
  private func collect(since left: inout Int64) throws(MPIError) {
    times.pollGap = max(times.pollGap, MonotonicClock.now() - left)
    try requests.waitSome { slot in
      times.completions[Int(peerOfSlot[slot])] = MonotonicClock.now()
    }
    left = MonotonicClock.now()
  }
}

extension Phase.Exchange {
  /// Tells messages of the two directions apart.
  var messageTag: Int { self == .dispatch ? 1 : 2 }
}
