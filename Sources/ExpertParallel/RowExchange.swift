// SPDX-License-Identifier: Apache-2.0
// epsim: carries rows to the ranks of their experts and results back, through MPI_Alltoallv.

internal import MPI
internal import Placement

/// Proof that a dispatch took place; combine consumes it, so no way back is used twice.
struct DispatchHandle: ~Copyable {
  /// Rows that this rank received.
  let receivedRows: Int
  fileprivate init(receivedRows: Int) { self.receivedRows = receivedRows }
}

/// The exchange of one case on one rank: counts, then rows, then results the same way back.
///
/// `MPI_Alltoallv` with one token row as one datatype.
/// Nothing here allocates after `init`.
final class RowExchange {
  /// [R, S] rows from each source rank for each of this rank's slots, of the last dispatch.
  let receivedPerSlot: UnsafeMutableBufferPointer<Int32>
  /// Slots of this rank.
  let localSlotCount: Int

  private let slotsOfRank: Partition
  private let slotsFromRank: Partition
  private var receivePartition: Partition
  private let rowsPerSource: UnsafeMutableBufferPointer<Int32>
  private let wireRow: RowDatatype
  private let combineRow: RowDatatype

  /// - Parameters:
  ///   - slotOffsets: [R + 1] slots of rank r are `slotOffsets[r] ..< slotOffsets[r + 1]`.
  ///   - rank: this rank.
  ///   - wireRowBytes: bytes of a row on the way to the experts.
  ///   - combineRowBytes: bytes of a result row.
  init(slotOffsets: [Int], rank: Int, wireRowBytes: Int, combineRowBytes: Int) throws(MPIError) {
    let rankCount = slotOffsets.count - 1
    let localSlots = slotOffsets[rank + 1] - slotOffsets[rank]
    localSlotCount = localSlots
    slotsOfRank = try Partition(
      counts: (0..<rankCount).map { slotOffsets[$0 + 1] - slotOffsets[$0] })
    slotsFromRank = try Partition(counts: Array(repeating: localSlots, count: rankCount))
    receivePartition = Partition(peerCount: rankCount)
    receivedPerSlot = .zeroed(rankCount * localSlots)
    rowsPerSource = .zeroed(rankCount)
    wireRow = try RowDatatype(byteCount: wireRowBytes)
    combineRow = try RowDatatype(byteCount: combineRowBytes)
  }

  deinit {
    receivedPerSlot.deallocate()
    rowsPerSource.deallocate()
  }

  /// Sends the planned rows to the ranks of their slots. Collective.
  ///
  /// Shapes: `rows` [plan.rowCount] wire rows by slot; `result` [received] wire rows by source rank
  /// and, within a source, by slot.
  /// - Precondition: `result` has room for every row that the other ranks send here.
  func dispatch(
    _ plan: DispatchPlan, rows: UnsafeRawPointer, into result: UnsafeMutableRawPointer,
    capacity: Int, on comm: borrowing Communicator
  ) throws(MPIError) -> DispatchHandle {
    // Counts per slot, not per rank: the receiver then knows the expert of every row, so no row
    // carries an index.
    try comm.allToAllV(
      UnsafeBufferPointer(plan.rowsPerSlot), slotsOfRank, into: receivedPerSlot, slotsFromRank)
    for source in rowsPerSource.indices {
      var rows: Int32 = 0
      for slot in 0..<localSlotCount { rows += receivedPerSlot[source * localSlotCount + slot] }
      rowsPerSource[source] = rows
    }
    try receivePartition.setCounts(UnsafeBufferPointer(rowsPerSource))
    precondition(
      receivePartition.total <= capacity,
      "\(receivePartition.total) rows arrive, room for \(capacity)")
    try comm.allToAllV(rows: rows, plan.sendPartition, into: result, receivePartition, row: wireRow)
    return DispatchHandle(receivedRows: receivePartition.total)
  }

  /// Sends one result per row back to where the row came from. Collective.
  ///
  /// Shapes: `rows` [handle.receivedRows] combine rows in the order in which dispatch delivered;
  /// `result` [plan.rowCount] combine rows in the order of the plan.
  func combine(
    _ handle: consuming DispatchHandle, _ plan: DispatchPlan, rows: UnsafeRawPointer,
    into result: UnsafeMutableRawPointer, on comm: borrowing Communicator
  ) throws(MPIError) {
    precondition(
      handle.receivedRows == receivePartition.total,
      "the handle is of \(handle.receivedRows) rows, the exchange of \(receivePartition.total)")
    try comm.allToAllV(
      rows: rows, receivePartition, into: result, plan.sendPartition, row: combineRow)
  }
}
