// SPDX-License-Identifier: Apache-2.0
// epsim: whether a message has arrived, without waiting for it.

internal import CMPIShim

extension Communicator {
  /// Whether a receive from `source` with this tag would find a message already there.
  ///
  /// For ranks that wait long and leave their core to others: ask, sleep, ask again. A blocking
  /// receive keeps the core busy.
  /// Local. Source: MPI 3.1 section 3.8.1 (MPI_Iprobe).
  public func hasMessage(from source: Int, tag: Int = 0) throws(MPIError) -> Bool {
    try probe(from: source, tag: tag) != nil
  }

  /// The rank and the bytes of a message with this tag that is there, or nil; allocates nothing.
  ///
  /// The next receive from that rank with this tag takes this message, as long as one thread calls
  /// MPI and no receive of the same kind is pending in a ``RequestSet``.
  /// - Parameter source: whose message; nil for any rank's.
  /// Local. Source: MPI 3.1 section 3.8.1 (MPI_Iprobe).
  public func probe(
    from source: Int? = nil, tag: Int = 0
  ) throws(MPIError) -> (source: Int, byteCount: Int)? {
    let source = if let source { try narrow("MPI_Iprobe", source) } else { Int32(MPI_ANY_SOURCE) }
    let tag = try narrow("MPI_Iprobe", tag)
    var flag: Int32 = 0
    var status = MPI_Status()
    // int MPI_Iprobe(int source, int tag, MPI_Comm comm, int *flag, MPI_Status *status)
    try check("MPI_Iprobe", MPI_Iprobe(source, tag, raw.handle, &flag, &status))
    guard flag != 0 else { return nil }
    return (Int(status.MPI_SOURCE), try byteCount(&status))
  }

  /// Lets the library work on what is under way; for ranks that wait outside MPI.
  ///
  /// Nothing moves outside of MPI calls; asking for a message that nobody sends is the cheapest.
  /// Local. Source: MPI 3.1 section 3.7.4 (progress).
  public func progress() throws(MPIError) { _ = try probe(tag: Self.unusedTag) }

  /// A tag that no message has.
  private static var unusedTag: Int { 32767 }
}
