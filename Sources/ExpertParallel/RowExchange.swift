// SPDX-License-Identifier: Apache-2.0
// epsim: carries rows to the ranks of their experts and results back, through MPI_Alltoallv.

internal import CostModel
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
/// `MPI_Alltoallv` with one token row as one datatype for the rows of other ranks; a rank's own
/// rows are copied by ``copyOwnRows(_:from:into:)``, apart, so that the copy can be timed apart.
/// Nothing here allocates after `init`.
final class RowExchange {
  /// Rows from each source rank for each of this rank's slots, of the last dispatch.
  let counts: CountExchange

  /// What left this rank since the counts were last cleared.
  var volume = ExchangeVolume()

  private let rank: Int
  private let topology: Topology
  private var receivePartition: Partition
  private var remoteSends: Partition
  private var remoteReceives: Partition
  private let wireRow: RowDatatype
  private let combineRow: RowDatatype
  private let wireRowBytes: Int
  private let combineRowBytes: Int

  /// - Parameters:
  ///   - slotOffsets: [R + 1] slots of rank r are `slotOffsets[r] ..< slotOffsets[r + 1]`.
  ///   - rank: this rank.
  ///   - wireRowBytes: bytes of a row on the way to the experts.
  ///   - combineRowBytes: bytes of a result row.
  init(
    slotOffsets: [Int], topology: Topology, rank: Int, wireRowBytes: Int, combineRowBytes: Int
  ) throws(MPIError) {
    let rankCount = slotOffsets.count - 1
    self.rank = rank
    self.topology = topology
    counts = try CountExchange(slotOffsets: slotOffsets, rank: rank)
    receivePartition = Partition(peerCount: rankCount)
    remoteSends = receivePartition
    remoteReceives = receivePartition
    self.wireRowBytes = wireRowBytes
    self.combineRowBytes = combineRowBytes
    wireRow = try RowDatatype(byteCount: wireRowBytes)
    combineRow = try RowDatatype(byteCount: combineRowBytes)
  }

  /// Sends the planned rows of other ranks to them; counts first. Collective.
  ///
  /// Shapes: `rows` [plan.rowCount] wire rows by slot; `result` [received] wire rows by source rank
  /// and, within a source, by slot; the place of this rank's own rows stays untouched.
  /// - Throws: ``ExchangeDisagreement`` where the ranks do not agree on what is to be sent, or where
  ///   more than `capacity` rows would arrive.
  func dispatch(
    _ plan: DispatchPlan, layer: Int, rows: UnsafeRawPointer,
    into result: UnsafeMutableRawPointer, capacity: Int, on comm: borrowing Communicator
  ) throws -> DispatchHandle {
    // Counts per slot, not per rank: the receiver then knows the expert of every row, so no row
    // carries an index.
    try counts.exchange(
      rowsPerSlot: UnsafeBufferPointer(plan.rowsPerSlot), rowsPerRank: plan.sendPartition.counts,
      layer: layer, on: comm)
    try receivePartition.setCounts(UnsafeBufferPointer(counts.rowsPerSource))
    guard receivePartition.total <= capacity else {
      throw ExchangeDisagreement(
        description: "rank \(rank) is about to receive \(receivePartition.total) rows in layer "
          + "\(layer), it has room for \(capacity)")
    }
    remoteSends.copyParts(of: plan.sendPartition, leavingOut: rank)
    remoteReceives.copyParts(of: receivePartition, leavingOut: rank)
    try comm.allToAllV(rows: rows, remoteSends, into: result, remoteReceives, row: wireRow)
    count(remoteSends, rowBytes: wireRowBytes, in: &volume.dispatch)
    return DispatchHandle(receivedRows: receivePartition.total)
  }

  /// Copies the rows that this rank dispatches to itself. Local.
  ///
  /// Buffers as for ``dispatch(_:layer:rows:into:capacity:on:)``, after it.
  func copyOwnRows(
    _ plan: DispatchPlan, from rows: UnsafeRawPointer, into result: UnsafeMutableRawPointer
  ) {
    copy(
      plan.sendPartition[rank], of: rows, to: receivePartition[rank], of: result,
      rowBytes: wireRowBytes)
  }

  /// Sends one result per row of another rank back to where the row came from. Collective.
  ///
  /// Shapes: `rows` [handle.receivedRows] combine rows in the order in which dispatch delivered;
  /// `result` [plan.rowCount] combine rows in the order of the plan, without the rank's own.
  func combine(
    _ handle: consuming DispatchHandle, _ plan: DispatchPlan, rows: UnsafeRawPointer,
    into result: UnsafeMutableRawPointer, on comm: borrowing Communicator
  ) throws(MPIError) {
    precondition(
      handle.receivedRows == receivePartition.total,
      "the handle is of \(handle.receivedRows) rows, the exchange of \(receivePartition.total)")
    try comm.allToAllV(rows: rows, remoteReceives, into: result, remoteSends, row: combineRow)
    count(remoteReceives, rowBytes: combineRowBytes, in: &volume.combine)
  }

  private func count(_ parts: Partition, rowBytes: Int, in way: inout ExchangeVolume.Way) {
    for peer in parts.counts.indices {
      let rows = Int(parts.counts[peer])
      way.add(
        rows: rows, bytes: rows * rowBytes,
        leavesNode: topology.nodeOfRank[peer] != topology.nodeOfRank[rank])
    }
  }

  /// Copies the results of this rank's own rows. Local.
  ///
  /// Buffers as for ``combine(_:_:rows:into:on:)``, after it.
  func copyOwnResults(
    _ plan: DispatchPlan, from rows: UnsafeRawPointer, into result: UnsafeMutableRawPointer
  ) {
    copy(
      receivePartition[rank], of: rows, to: plan.sendPartition[rank], of: result,
      rowBytes: combineRowBytes)
  }

  private func copy(
    _ sources: Range<Int>, of rows: UnsafeRawPointer, to targets: Range<Int>,
    of result: UnsafeMutableRawPointer, rowBytes: Int
  ) {
    (result + targets.lowerBound * rowBytes).copyMemory(
      from: rows + sources.lowerBound * rowBytes, byteCount: sources.count * rowBytes)
  }
}
