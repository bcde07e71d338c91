// SPDX-License-Identifier: Apache-2.0
// epsim: blocks of rows of several chunks under way at once.

internal import MPI
internal import Timing

/// Exchanges of blocks that are started in order and completed later, one for each chunk and way.
///
/// All messages of all chunks may be under way at once. MPI moves them inside of its calls only:
/// ``poll()`` now and then, or they wait for ``wait(for:_:)``. Nothing allocates after `init`;
/// the MPI library may.
final class ChunkTransport {
  /// When the first exchange of a way was started and its last one seen complete, nanoseconds.
  struct Flight {
    var start: Int64 = 0
    var end: Int64 = 0
  }

  private(set) var dispatchFlight = Flight()
  private(set) var combineFlight = Flight()
  /// Whether nothing is under way.
  var isIdle: Bool { requests.pendingCount == 0 }

  private let isCollective: Bool
  private let chunkCount: Int
  private let requests: RequestSet
  /// [2, chunks] operations that are under way.
  private let pending: UnsafeMutableBufferPointer<Int32>
  private let exchangeOfSlot: UnsafeMutableBufferPointer<Int32>

  /// - Parameter isCollective: one `MPI_Ialltoallv` per chunk and way, else a message per partner.
  init(rankCount: Int, chunkCount: Int, isCollective: Bool) {
    self.isCollective = isCollective
    self.chunkCount = chunkCount
    let operations = isCollective ? 1 : 2 * max(1, rankCount - 1)
    requests = RequestSet(
      capacity: 2 * chunkCount * operations, peerCapacity: isCollective ? rankCount : 0)
    pending = .zeroed(2 * chunkCount)
    exchangeOfSlot = .zeroed(requests.capacity)
  }

  deinit {
    pending.deallocate()
    exchangeOfSlot.deallocate()
  }

  /// Forgets the flights of the layer before.
  /// - Precondition: nothing is under way.
  func clear() {
    precondition(isIdle, "\(requests.pendingCount) operations of the layer before are under way")
    (dispatchFlight, combineFlight) = (Flight(), Flight())
  }

  /// Starts to move part r of `rows` to rank r; part r of `result` comes from rank r. Collective:
  /// every rank starts the same exchanges in the same order.
  ///
  /// Counts are in rows of `row`; both sides know them. What a rank keeps is left out.
  func start(
    _ way: Phase.Exchange, _ chunk: Int, rows: UnsafeRawPointer, _ sends: Partition,
    into result: UnsafeMutableRawPointer, _ receives: Partition, row: borrowing RowDatatype,
    on comm: borrowing Communicator
  ) throws(MPIError) {
    let exchange = index(way, chunk)
    if chunk == 0 { setFlight(of: way) { $0.start = MonotonicClock.now() } }
    if isCollective {
      book(
        try requests.startAllToAllV(
          rows: rows, sends, into: result, receives, row: row, on: comm), exchange)
      return
    }
    let tag = way.messageTag + 2 * chunk
    for distance in 1..<max(1, comm.size) {
      let source = (comm.rank - distance + comm.size) % comm.size
      let incoming = receives[source]
      if !incoming.isEmpty {
        book(
          try requests.startReceive(
            into: result + incoming.lowerBound * row.byteCount, count: incoming.count, row: row,
            from: source, tag: tag, on: comm), exchange)
      }
      let destination = (comm.rank + distance) % comm.size
      let outgoing = sends[destination]
      if !outgoing.isEmpty {
        book(
          try requests.startSend(
            rows: rows + outgoing.lowerBound * row.byteCount, count: outgoing.count, row: row,
            to: destination, tag: tag, on: comm), exchange)
      }
    }
  }

  /// Lets MPI move what it can. Local.
  func poll() throws(MPIError) {
    try requests.testSome { complete($0) }
  }

  /// Waits until the exchange of a chunk is over. Local.
  func wait(for way: Phase.Exchange, _ chunk: Int) throws(MPIError) {
    while pending[index(way, chunk)] > 0 { try requests.waitSome { complete($0) } }
  }

  /// Whether an exchange of this way is under way.
  func isUnderWay(_ way: Phase.Exchange) -> Bool {
    (0..<chunkCount).contains { pending[index(way, $0)] > 0 }
  }

  private func index(_ way: Phase.Exchange, _ chunk: Int) -> Int {
    way == .dispatch ? chunk : chunkCount + chunk
  }

  private func book(_ slot: Int, _ exchange: Int) {
    exchangeOfSlot[slot] = Int32(truncatingIfNeeded: exchange)
    pending[exchange] += 1
  }

  private func complete(_ slot: Int) {
    let exchange = Int(exchangeOfSlot[slot])
    pending[exchange] -= 1
    setFlight(of: exchange < chunkCount ? .dispatch : .combine) { $0.end = MonotonicClock.now() }
  }

  private func setFlight(of way: Phase.Exchange, _ change: (inout Flight) -> Void) {
    switch way {
    case .dispatch: change(&dispatchFlight)
    case .combine: change(&combineFlight)
    }
  }
}
