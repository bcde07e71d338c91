// SPDX-License-Identifier: Apache-2.0
// epsim: messages between two ranks that are started now and completed later.

internal import CMPIShim

extension RequestSet {
  /// Starts to send rows to one rank, this one included; allocates nothing.
  ///
  /// Shapes: `rows` [count, row.byteCount] bytes, unchanged until the slot is reported.
  /// Local, paired with a receive of the same tag on `destination`.
  /// - Returns: the slot.
  /// - Throws: MPI_ERR_RANK for a rank that does not exist, MPI_ERR_TAG for a tag out of range.
  /// - Precondition: a slot is free.
  /// Source: MPI 3.1 section 3.7.2 (MPI_Isend).
  public func startSend(
    rows: UnsafeRawPointer?, count: Int, row: borrowing RowDatatype, to destination: Int,
    tag: Int = 0, on comm: borrowing Communicator
  ) throws(MPIError) -> Int {
    let count = try narrow("MPI_Isend", count)
    let (peer, tag) = (try narrow("MPI_Isend", destination), try narrow("MPI_Isend", tag))
    let (type, raw) = (row.raw, comm.raw)
    return try start("MPI_Isend") { request, _ in
      // int MPI_Isend(const void *buf, int count, MPI_Datatype datatype, int dest, int tag,
      //               MPI_Comm comm, MPI_Request *request)
      MPI_Isend(rows, count, type.handle, peer, tag, raw.handle, &request.pointee.handle)
    }
  }

  /// Starts to receive at most `count` rows of one rank; allocates nothing.
  ///
  /// Shapes: `rows` [count, row.byteCount] bytes, of the operation until the slot is reported.
  /// MPI does not say where fewer rows arrive: counts must be known. More are MPI_ERR_TRUNCATE when
  /// the operation completes; Open MPI 4.1 cuts a message to oneself without a word.
  /// Local, paired with a send of the same tag on `source`. Otherwise as
  /// ``startSend(rows:count:row:to:tag:on:)``.
  /// Source: MPI 3.1 section 3.7.2 (MPI_Irecv).
  public func startReceive(
    into rows: UnsafeMutableRawPointer?, count: Int, row: borrowing RowDatatype, from source: Int,
    tag: Int = 0, on comm: borrowing Communicator
  ) throws(MPIError) -> Int {
    let count = try narrow("MPI_Irecv", count)
    let (peer, tag) = (try narrow("MPI_Irecv", source), try narrow("MPI_Irecv", tag))
    let (type, raw) = (row.raw, comm.raw)
    return try start("MPI_Irecv") { request, _ in
      // int MPI_Irecv(void *buf, int count, MPI_Datatype datatype, int source, int tag,
      //               MPI_Comm comm, MPI_Request *request)
      MPI_Irecv(rows, count, type.handle, peer, tag, raw.handle, &request.pointee.handle)
    }
  }

  /// Starts to send elements to one rank; they travel as bytes, below 2^31 of them.
  ///
  /// As for rows.
  public func startSend<Element: MPIElement>(
    _ elements: UnsafeBufferPointer<Element>, to destination: Int, tag: Int = 0,
    on comm: borrowing Communicator
  ) throws(MPIError) -> Int {
    let bytes = UnsafeRawBufferPointer(elements)
    let count = try narrow("MPI_Isend", bytes.count)
    let (peer, tag) = (try narrow("MPI_Isend", destination), try narrow("MPI_Isend", tag))
    let raw = comm.raw
    return try start("MPI_Isend") { request, _ in
      // int MPI_Isend(const void *buf, int count, MPI_Datatype datatype, int dest, int tag,
      //               MPI_Comm comm, MPI_Request *request)
      MPI_Isend(
        bytes.baseAddress, count, cmpi_byte(), peer, tag, raw.handle, &request.pointee.handle)
    }
  }

  /// Starts to send elements; completes not before the receiver has begun to receive them.
  ///
  /// A completed slot says that the message was matched: what a sparse exchange with unknown
  /// partners needs to know before it enters the barrier (Hoefler, Siebert and Lumsdaine 2010).
  /// As for rows. Source: MPI 3.1 section 3.7.2 (MPI_Issend).
  public func startSynchronousSend<Element: MPIElement>(
    _ elements: UnsafeBufferPointer<Element>, to destination: Int, tag: Int = 0,
    on comm: borrowing Communicator
  ) throws(MPIError) -> Int {
    let bytes = UnsafeRawBufferPointer(elements)
    let count = try narrow("MPI_Issend", bytes.count)
    let (peer, tag) = (try narrow("MPI_Issend", destination), try narrow("MPI_Issend", tag))
    let raw = comm.raw
    return try start("MPI_Issend") { request, _ in
      // int MPI_Issend(const void *buf, int count, MPI_Datatype datatype, int dest, int tag,
      //                MPI_Comm comm, MPI_Request *request)
      MPI_Issend(
        bytes.baseAddress, count, cmpi_byte(), peer, tag, raw.handle, &request.pointee.handle)
    }
  }

  /// Starts to receive at most as many elements as `elements` has room for; they travel as bytes.
  ///
  /// As for rows.
  public func startReceive<Element: MPIElement>(
    into elements: UnsafeMutableBufferPointer<Element>, from source: Int, tag: Int = 0,
    on comm: borrowing Communicator
  ) throws(MPIError) -> Int {
    let bytes = UnsafeMutableRawBufferPointer(elements)
    let count = try narrow("MPI_Irecv", bytes.count)
    let (peer, tag) = (try narrow("MPI_Irecv", source), try narrow("MPI_Irecv", tag))
    let raw = comm.raw
    return try start("MPI_Irecv") { request, _ in
      // int MPI_Irecv(void *buf, int count, MPI_Datatype datatype, int source, int tag,
      //               MPI_Comm comm, MPI_Request *request)
      MPI_Irecv(
        bytes.baseAddress, count, cmpi_byte(), peer, tag, raw.handle, &request.pointee.handle)
    }
  }
}
