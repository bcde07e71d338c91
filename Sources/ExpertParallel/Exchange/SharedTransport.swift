// SPDX-License-Identifier: Apache-2.0
// epsim: blocks of rows between the ranks of a node through shared memory.

internal import Kernels
internal import MPI
internal import Timing

/// The sender copies its rows straight into the receiver's buffer.
///
/// For ranks of one node only; parts of others must be empty. The receiver's buffer is one that the
/// node shares.
final class SharedTransport: RowTransport {
  var partnerTimes: PartnerTimes? { nil }

  private let space: NodeSpace
  /// The buffer that each direction arrives in.
  private let dispatchBuffer: SharedBuffer
  private let combineBuffer: SharedBuffer

  init(_ space: NodeSpace, dispatchInto: SharedBuffer, combineInto: SharedBuffer) {
    self.space = space
    dispatchBuffer = dispatchInto
    combineBuffer = combineInto
  }

  func exchange(
    _ way: Phase.Exchange, rows: UnsafeRawPointer, _ sends: Partition,
    into result: UnsafeMutableRawPointer, _ receives: Partition, row: borrowing RowDatatype,
    on comm: borrowing Communicator
  ) throws(MPIError) {
    let (board, places) = (space.board, space.ranks.count)
    let buffer = way == .dispatch ? dispatchBuffer : combineBuffer
    board.begin()
    for (rank, start) in receives.displacements.enumerated() { board.positions[rank] = Int(start) }
    board.publishPlaces()
    for distance in 1..<max(1, places) {
      let place = (space.place + distance) % places
      try board.awaitPlaces(ofPlace: place) { () throws(MPIError) in try comm.progress() }
      let part = sends[space.ranks[place]]
      let start = board.positions(ofPlace: place)[comm.rank]
      let writer = space.writer(toPlace: place)
      writer.write(
        byteCount: part.count * row.byteCount, from: rows + part.lowerBound * row.byteCount,
        into: space.buffer(buffer, ofPlace: place) + start * row.byteCount)
      writer.finish()
      board.deliver(toPlace: place)
    }
    for distance in 1..<max(1, places) {
      let place = (space.place + places - distance) % places
      try board.awaitDelivery(fromPlace: place) { () throws(MPIError) in try comm.progress() }
    }
  }
}
