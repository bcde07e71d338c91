// SPDX-License-Identifier: Apache-2.0
// epsim: messages between two ranks.

internal import CMPIShim

extension Communicator {
  /// Sends bytes to one rank; may wait until it receives them.
  ///
  /// Local, paired with a receive of the same tag on `destination`.
  /// - Throws: MPI_ERR_RANK for a rank that does not exist, MPI_ERR_TAG for a tag out of range.
  /// Source: MPI 3.1 section 3.2.1 (MPI_Send).
  public func send(
    _ bytes: UnsafeRawBufferPointer, to destination: Int, tag: Int = 0
  ) throws(MPIError) {
    let count = try narrow("MPI_Send", bytes.count)
    let (destination, tag) = (try narrow("MPI_Send", destination), try narrow("MPI_Send", tag))
    // int MPI_Send(const void *buf, int count, MPI_Datatype datatype, int dest, int tag,
    //              MPI_Comm comm)
    try check(
      "MPI_Send", MPI_Send(bytes.baseAddress, count, cmpi_byte(), destination, tag, raw.handle))
  }

  /// Waits for a message of one rank.
  ///
  /// Local, paired with a send of the same tag on `source`.
  /// - Returns: the bytes received, at most those of `bytes`.
  /// - Throws: MPI_ERR_TRUNCATE where the message is longer than `bytes`.
  /// Source: MPI 3.1 section 3.2.4 (MPI_Recv).
  public func receive(
    into bytes: UnsafeMutableRawBufferPointer, from source: Int, tag: Int = 0
  ) throws(MPIError) -> Int {
    let count = try narrow("MPI_Recv", bytes.count)
    let (source, tag) = (try narrow("MPI_Recv", source), try narrow("MPI_Recv", tag))
    var status = MPI_Status()
    // int MPI_Recv(void *buf, int count, MPI_Datatype datatype, int source, int tag,
    //              MPI_Comm comm, MPI_Status *status)
    try check(
      "MPI_Recv",
      MPI_Recv(bytes.baseAddress, count, cmpi_byte(), source, tag, raw.handle, &status))
    return try byteCount(&status)
  }

  /// Sends to one rank and receives from another, or the same, without waiting in a circle.
  ///
  /// Local, paired with the opposite calls on `destination` and `source`.
  /// - Returns: the bytes received, at most those of `received`.
  /// - Throws: as ``send(_:to:tag:)-(UnsafeRawBufferPointer,_,_)`` and ``receive(into:from:tag:)``.
  /// Source: MPI 3.1 section 3.10 (MPI_Sendrecv).
  public func sendReceive(
    _ sent: UnsafeRawBufferPointer, to destination: Int,
    into received: UnsafeMutableRawBufferPointer, from source: Int, tag: Int = 0
  ) throws(MPIError) -> Int {
    let sentCount = try narrow("MPI_Sendrecv", sent.count)
    let receivedCount = try narrow("MPI_Sendrecv", received.count)
    let destination = try narrow("MPI_Sendrecv", destination)
    let source = try narrow("MPI_Sendrecv", source)
    let tag = try narrow("MPI_Sendrecv", tag)
    var status = MPI_Status()
    // int MPI_Sendrecv(const void *sendbuf, int sendcount, MPI_Datatype sendtype, int dest,
    //                  int sendtag, void *recvbuf, int recvcount, MPI_Datatype recvtype,
    //                  int source, int recvtag, MPI_Comm comm, MPI_Status *status)
    try check(
      "MPI_Sendrecv",
      MPI_Sendrecv(
        sent.baseAddress, sentCount, cmpi_byte(), destination, tag, received.baseAddress,
        receivedCount, cmpi_byte(), source, tag, raw.handle, &status))
    return try byteCount(&status)
  }

  /// Sends the elements to one rank. As for bytes.
  public func send<Element: MPIElement>(
    _ elements: [Element], to destination: Int, tag: Int = 0
  ) throws(MPIError) {
    try elements.withUnsafeBufferPointer { elements throws(MPIError) in
      try send(UnsafeRawBufferPointer(elements), to: destination, tag: tag)
    }
  }

  /// Waits for at most `count` elements of one rank; the result has as many as were sent.
  ///
  /// As for bytes.
  public func receive<Element: MPIElement>(
    _ type: Element.Type = Element.self, count: Int, from source: Int, tag: Int = 0
  ) throws(MPIError) -> [Element] {
    var result = [Element](repeating: .blank, count: count)
    let byteCount = try result.withUnsafeMutableBufferPointer { result throws(MPIError) in
      try receive(into: UnsafeMutableRawBufferPointer(result), from: source, tag: tag)
    }
    result.removeLast(count - byteCount / MemoryLayout<Element>.stride)
    return result
  }

  /// Waits for elements of one rank; they fill `elements` from its start. Allocates nothing.
  ///
  /// - Returns: the elements received.
  /// As for bytes.
  public func receive<Element: MPIElement>(
    into elements: UnsafeMutableBufferPointer<Element>, from source: Int, tag: Int = 0
  ) throws(MPIError) -> Int {
    let byteCount = try receive(
      into: UnsafeMutableRawBufferPointer(elements), from: source, tag: tag)
    return byteCount / MemoryLayout<Element>.stride
  }

  /// Sends elements to one rank and receives at most `count` from another. As for bytes.
  public func sendReceive<Element: MPIElement>(
    _ elements: [Element], to destination: Int, count: Int, from source: Int, tag: Int = 0
  ) throws(MPIError) -> [Element] {
    var result = [Element](repeating: .blank, count: count)
    let byteCount = try result.withUnsafeMutableBufferPointer { result throws(MPIError) in
      try elements.withUnsafeBufferPointer { elements throws(MPIError) in
        try sendReceive(
          UnsafeRawBufferPointer(elements), to: destination,
          into: UnsafeMutableRawBufferPointer(result), from: source, tag: tag)
      }
    }
    result.removeLast(count - byteCount / MemoryLayout<Element>.stride)
    return result
  }

  /// Bytes of the message that a status is about.
  func byteCount(_ status: inout MPI_Status) throws(MPIError) -> Int {
    var count: Int32 = 0
    // int MPI_Get_count(const MPI_Status *status, MPI_Datatype datatype, int *count)
    try check("MPI_Get_count", MPI_Get_count(&status, cmpi_byte(), &count))
    return Int(count)
  }
}
