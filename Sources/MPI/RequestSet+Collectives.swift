// SPDX-License-Identifier: Apache-2.0
// epsim: collectives that are started now and completed later.

internal import CMPIShim

extension RequestSet {
  /// Starts to send the rows of part r to rank r; part r of the result comes from rank r.
  ///
  /// Shapes and errors as ``Communicator/allToAllV(rows:_:into:_:row:)``. The partitions are copied
  /// into the slot and may change at once; the buffers are of the operation until it is reported.
  /// Allocates nothing here; the MPI library may.
  /// - Returns: the slot.
  /// - Precondition: a slot is free; the partitions have a part per rank, at most `peerCapacity`.
  /// Collective: every rank of `comm`, in the same order as its other collectives.
  /// Source: MPI 3.1 section 5.12.6 (MPI_Ialltoallv).
  public func startAllToAllV(
    rows: UnsafeRawPointer?, _ sendPartition: Partition,
    into result: UnsafeMutableRawPointer?, _ receivePartition: Partition,
    row: borrowing RowDatatype, on comm: borrowing Communicator
  ) throws(MPIError) -> Int {
    let peers = comm.size
    precondition(
      sendPartition.peerCount == peers && receivePartition.peerCount == peers,
      "\(sendPartition.peerCount) and \(receivePartition.peerCount) parts for \(peers) ranks")
    precondition(peers <= peerCapacity, "\(peers) ranks, slots have room for \(peerCapacity)")
    let (type, raw) = (row.raw, comm.raw)
    return try start("MPI_Ialltoallv") { request, slot in
      let sendCounts = peerCounts + slot * 4 * peerCapacity
      let sendStarts = sendCounts + peerCapacity
      let receiveCounts = sendStarts + peerCapacity
      let receiveStarts = receiveCounts + peerCapacity
      for peer in 0..<peers {
        sendCounts[peer] = sendPartition.counts[peer]
        sendStarts[peer] = sendPartition.displacements[peer]
        receiveCounts[peer] = receivePartition.counts[peer]
        receiveStarts[peer] = receivePartition.displacements[peer]
      }
      // int MPI_Ialltoallv(const void *sendbuf, const int sendcounts[], const int sdispls[],
      //                    MPI_Datatype sendtype, void *recvbuf, const int recvcounts[],
      //                    const int rdispls[], MPI_Datatype recvtype, MPI_Comm comm,
      //                    MPI_Request *request)
      return MPI_Ialltoallv(
        rows, sendCounts, sendStarts, type.handle, result, receiveCounts, receiveStarts,
        type.handle, raw.handle, &request.pointee.handle)
    }
  }

  /// Starts to combine the elements of all ranks into `result`, on every rank.
  ///
  /// Shapes: `elements` and `result` [n] with the same n on every rank, not overlapping.
  /// - Throws: MPI_ERR_OP for an operation that the type does not have.
  /// Collective. Otherwise as the all-to-all.
  /// Source: MPI 3.1 section 5.12.8 (MPI_Iallreduce).
  public func startAllReduce<Element: MPIElement>(
    _ elements: UnsafeBufferPointer<Element>, _ operation: ReductionOperation,
    into result: UnsafeMutableBufferPointer<Element>, on comm: borrowing Communicator
  ) throws(MPIError) -> Int {
    precondition(
      elements.count == result.count, "\(elements.count) elements into \(result.count)")
    let count = try narrow("MPI_Iallreduce", elements.count)
    try check("MPI_Iallreduce", operation, on: Element.self)
    let raw = comm.raw
    return try start("MPI_Iallreduce") { request, _ in
      // int MPI_Iallreduce(const void *sendbuf, void *recvbuf, int count, MPI_Datatype datatype,
      //                    MPI_Op op, MPI_Comm comm, MPI_Request *request)
      MPI_Iallreduce(
        elements.baseAddress, result.baseAddress, count, Element.raw.handle,
        operation.raw.handle, raw.handle, &request.pointee.handle)
    }
  }

  /// Starts a barrier: the slot completes when every rank has started it.
  ///
  /// Collective. Otherwise as the all-to-all. Source: MPI 3.1 section 5.12.1 (MPI_Ibarrier).
  public func startBarrier(on comm: borrowing Communicator) throws(MPIError) -> Int {
    let raw = comm.raw
    return try start("MPI_Ibarrier") { request, _ in
      // int MPI_Ibarrier(MPI_Comm comm, MPI_Request *request)
      MPI_Ibarrier(raw.handle, &request.pointee.handle)
    }
  }
}
