// SPDX-License-Identifier: Apache-2.0
// epsim: barrier and broadcast.

internal import CMPIShim

/// Bytes per call: far below the 2^31 of a C `int`.
private let broadcastChunk = 1 << 30

extension Communicator {
  /// Returns when every rank has entered.
  ///
  /// Collective: every rank of this communicator, in the same order as its other collectives.
  /// Source: MPI 3.1 section 5.3 (MPI_Barrier).
  public func barrier() throws(MPIError) {
    // int MPI_Barrier(MPI_Comm comm)
    try check("MPI_Barrier", MPI_Barrier(raw.handle))
  }

  /// Copies the bytes of `root` to the same number of bytes on every rank.
  ///
  /// Any size: what exceeds one call of MPI goes in several.
  /// Collective. Source: MPI 3.1 section 5.4 (MPI_Bcast).
  public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) throws(MPIError) {
    let root = try narrow("MPI_Bcast", root)
    var start = 0
    repeat {
      let count = min(bytes.count - start, broadcastChunk)
      // int MPI_Bcast(void *buffer, int count, MPI_Datatype datatype, int root, MPI_Comm comm)
      try check(
        "MPI_Bcast",
        MPI_Bcast(
          bytes.baseAddress.map { $0 + start }, try narrow("MPI_Bcast", count), cmpi_byte(), root,
          raw.handle))
      start += count
    } while start < bytes.count
  }

  /// Copies the elements of `root` to the same number of elements on every rank.
  ///
  /// Collective. Source: MPI 3.1 section 5.4 (MPI_Bcast).
  public func broadcast<Element: MPIElement>(
    _ elements: UnsafeMutableBufferPointer<Element>, root: Int
  ) throws(MPIError) {
    try broadcast(UnsafeMutableRawBufferPointer(elements), root: root)
  }

  /// The elements of `root`, on every rank; those passed by the others are ignored.
  ///
  /// Two broadcasts: the count, then the elements.
  /// Collective. Source: MPI 3.1 section 5.4 (MPI_Bcast).
  public func broadcast<Element: MPIElement>(
    _ elements: [Element], root: Int
  ) throws(MPIError) -> [Element] {
    var count = elements.count
    try withUnsafeMutableBytes(of: &count) { bytes throws(MPIError) in
      try broadcast(bytes, root: root)
    }
    var result = rank == root ? elements : Array(repeating: .blank, count: count)
    try result.withUnsafeMutableBufferPointer { buffer throws(MPIError) in
      try broadcast(buffer, root: root)
    }
    return result
  }

  /// The text of `root`, on every rank; those passed by the others are ignored. Collective.
  public func broadcast(_ text: String, root: Int) throws(MPIError) -> String {
    String(decoding: try broadcast(Array(text.utf8), root: root), as: UTF8.self)
  }
}
