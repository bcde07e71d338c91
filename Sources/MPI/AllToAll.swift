// SPDX-License-Identifier: Apache-2.0
// epsim: every rank sends a part of its buffer to every rank.

internal import CMPIShim

extension Communicator {
  /// Sends block r of `elements` to rank r; block r of the result came from rank r.
  ///
  /// Shapes: `elements` [size, n] with the same n on every rank, result [size, n].
  /// - Precondition: the count divides by `size`.
  /// Collective: every rank of this communicator, in the same order as its other collectives.
  /// Source: MPI 3.1 section 5.8 (MPI_Alltoall).
  public func allToAll<Element: MPIElement>(
    _ elements: [Element]
  ) throws(MPIError) -> [Element] {
    var result = [Element](repeating: .blank, count: elements.count)
    try result.withUnsafeMutableBufferPointer { result throws(MPIError) in
      try elements.withUnsafeBufferPointer { elements throws(MPIError) in
        try allToAll(elements, into: result)
      }
    }
    return result
  }

  /// As the array spelling, into memory of the caller; allocates nothing.
  ///
  /// - Precondition: both buffers have the same count, a multiple of `size`.
  /// Collective. Source: MPI 3.1 section 5.8 (MPI_Alltoall).
  public func allToAll<Element: MPIElement>(
    _ elements: UnsafeBufferPointer<Element>, into result: UnsafeMutableBufferPointer<Element>
  ) throws(MPIError) {
    precondition(
      elements.count == result.count && elements.count % size == 0,
      "\(elements.count) elements into \(result.count) in blocks for \(size) ranks")
    let count = try narrow("MPI_Alltoall", elements.count / size)
    // int MPI_Alltoall(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
    //                  int recvcount, MPI_Datatype recvtype, MPI_Comm comm)
    try check(
      "MPI_Alltoall",
      MPI_Alltoall(
        elements.baseAddress, count, Element.raw.handle, result.baseAddress, count,
        Element.raw.handle, raw.handle))
  }

  /// Sends as many rows to every rank; block r of the result came from rank r. Allocates nothing.
  ///
  /// Shapes: `rows` and `result` [size, rowsPerPeer, row.byteCount] bytes, `rowsPerPeer` the same on
  /// every rank.
  /// - Precondition: the buffers hold their rows.
  /// Collective. Source: MPI 3.1 section 5.8 (MPI_Alltoall).
  public func allToAll(
    rows: UnsafeRawPointer?, into result: UnsafeMutableRawPointer?, rowsPerPeer: Int,
    row: borrowing RowDatatype
  ) throws(MPIError) {
    let count = try narrow("MPI_Alltoall", rowsPerPeer)
    // int MPI_Alltoall(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
    //                  int recvcount, MPI_Datatype recvtype, MPI_Comm comm)
    try check(
      "MPI_Alltoall",
      MPI_Alltoall(rows, count, row.raw.handle, result, count, row.raw.handle, raw.handle))
  }

  /// Tells every rank how much it will get from this one; allocates nothing.
  ///
  /// - Parameters:
  ///   - send: what this rank will send to each.
  ///   - receive: on return, what this rank will receive from each.
  /// - Precondition: both have a part per rank.
  /// - Throws: also where the received parts reach past element 2^31 - 1.
  /// Collective; 4 bytes per pair of ranks. Source: MPI 3.1 section 5.8 (MPI_Alltoall).
  public func exchangeCounts(
    _ send: Partition, into receive: inout Partition
  ) throws(MPIError) {
    checkPeers(send)
    checkPeers(receive)
    try receive.writeCounts { received throws(MPIError) in
      // int MPI_Alltoall(const void *sendbuf, int sendcount, MPI_Datatype sendtype,
      //                  void *recvbuf, int recvcount, MPI_Datatype recvtype, MPI_Comm comm)
      try check(
        "MPI_Alltoall",
        MPI_Alltoall(
          send.counts, 1, cmpi_int32_t(), received, 1, cmpi_int32_t(), raw.handle))
    }
  }

  /// Sends part r of `elements` to rank r; part r of the result came from rank r.
  ///
  /// Allocates nothing. MPI does not notice a receive count above what was sent, and may hang or
  /// fail on one rank only where it is below: the counts must come from
  /// ``exchangeCounts(_:into:)`` or be known otherwise.
  /// - Precondition: the partitions have a part per rank and fit their buffers.
  /// Collective. Source: MPI 3.1 section 5.8 (MPI_Alltoallv).
  public func allToAllV<Element: MPIElement>(
    _ elements: UnsafeBufferPointer<Element>, _ sendPartition: Partition,
    into result: UnsafeMutableBufferPointer<Element>, _ receivePartition: Partition
  ) throws(MPIError) {
    precondition(
      sendPartition.total <= elements.count && receivePartition.total <= result.count,
      "sends \(sendPartition.total) of \(elements.count) elements, "
        + "receives \(receivePartition.total) into \(result.count)")
    try allToAllV(
      elements.baseAddress, sendPartition, into: result.baseAddress, receivePartition, Element.raw)
  }

  /// Sends the rows of part r to rank r; part r of the result came from rank r.
  ///
  /// Shapes: `rows` [sendPartition.total, row.byteCount] bytes, `result` [receivePartition.total,
  /// row.byteCount] bytes. Counts are in rows. Allocates nothing; the rest as for elements.
  /// - Precondition: the partitions have a part per rank; the buffers hold their rows.
  /// Collective. Source: MPI 3.1 section 5.8 (MPI_Alltoallv).
  public func allToAllV(
    rows: UnsafeRawPointer?, _ sendPartition: Partition,
    into result: UnsafeMutableRawPointer?, _ receivePartition: Partition,
    row: borrowing RowDatatype
  ) throws(MPIError) {
    try allToAllV(rows, sendPartition, into: result, receivePartition, row.raw)
  }

  private func allToAllV(
    _ send: UnsafeRawPointer?, _ sendPartition: Partition,
    into receive: UnsafeMutableRawPointer?, _ receivePartition: Partition, _ type: cmpi_datatype
  ) throws(MPIError) {
    checkPeers(sendPartition)
    checkPeers(receivePartition)
    // int MPI_Alltoallv(const void *sendbuf, const int sendcounts[], const int sdispls[],
    //                   MPI_Datatype sendtype, void *recvbuf, const int recvcounts[],
    //                   const int rdispls[], MPI_Datatype recvtype, MPI_Comm comm)
    try check(
      "MPI_Alltoallv",
      MPI_Alltoallv(
        send, sendPartition.counts, sendPartition.displacements, type.handle, receive,
        receivePartition.counts, receivePartition.displacements, type.handle, raw.handle))
  }

  private func checkPeers(_ partition: Partition) {
    precondition(
      partition.peerCount == size, "\(partition.peerCount) parts for \(size) ranks")
  }
}
