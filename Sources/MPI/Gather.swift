// SPDX-License-Identifier: Apache-2.0
// epsim: the elements of every rank, on one rank or on all.

internal import CMPIShim

extension Communicator {
  /// The elements of every rank in rank order, on `root`; an empty array on the others.
  ///
  /// Shapes: `elements` [n] with the same n on every rank, result [size * n].
  /// Collective: every rank of this communicator, in the same order as its other collectives.
  /// Source: MPI 3.1 section 5.5 (MPI_Gather).
  public func gather<Element: MPIElement>(
    _ elements: [Element], root: Int
  ) throws(MPIError) -> [Element] {
    let count = try narrow("MPI_Gather", elements.count)
    let rawRoot = try narrow("MPI_Gather", root)
    var result = [Element](repeating: .blank, count: rank == root ? size * elements.count : 0)
    try result.withUnsafeMutableBufferPointer { result throws(MPIError) in
      try elements.withUnsafeBufferPointer { elements throws(MPIError) in
        // int MPI_Gather(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
        //                int recvcount, MPI_Datatype recvtype, int root, MPI_Comm comm)
        try check(
          "MPI_Gather",
          MPI_Gather(
            elements.baseAddress, count, Element.raw.handle, result.baseAddress, count,
            Element.raw.handle, rawRoot, raw.handle))
      }
    }
    return result
  }

  /// The elements of each rank, on `root`; an empty array on the others.
  ///
  /// Shapes: `elements` [n_rank], any n_rank; result[r] holds the n_r elements of rank r.
  /// Two collectives: the counts, then the elements.
  /// Collective. Source: MPI 3.1 section 5.5 (MPI_Gatherv).
  public func gatherV<Element: MPIElement>(
    _ elements: [Element], root: Int
  ) throws(MPIError) -> [[Element]] {
    let count = try narrow("MPI_Gatherv", elements.count)
    let rawRoot = try narrow("MPI_Gatherv", root)
    let counts = try gather([elements.count], root: root)
    let partition = try Partition(counts: counts)
    var result = [Element](repeating: .blank, count: partition.total)
    try result.withUnsafeMutableBufferPointer { result throws(MPIError) in
      try elements.withUnsafeBufferPointer { elements throws(MPIError) in
        // int MPI_Gatherv(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
        //                 const int recvcounts[], const int displs[], MPI_Datatype recvtype,
        //                 int root, MPI_Comm comm)
        try check(
          "MPI_Gatherv",
          MPI_Gatherv(
            elements.baseAddress, count, Element.raw.handle, result.baseAddress, partition.counts,
            partition.displacements, Element.raw.handle, rawRoot, raw.handle))
      }
    }
    return counts.indices.map { Array(result[partition[$0]]) }
  }

  /// The elements of every rank in rank order, on every rank.
  ///
  /// Shapes: `elements` [n] with the same n on every rank, result [size * n].
  /// Collective. Source: MPI 3.1 section 5.7 (MPI_Allgather).
  public func allGather<Element: MPIElement>(
    _ elements: [Element]
  ) throws(MPIError) -> [Element] {
    var result = [Element](repeating: .blank, count: size * elements.count)
    try result.withUnsafeMutableBufferPointer { result throws(MPIError) in
      try elements.withUnsafeBufferPointer { elements throws(MPIError) in
        try allGather(elements, into: result)
      }
    }
    return result
  }

  /// As the array spelling, into memory of the caller; allocates nothing.
  ///
  /// - Precondition: `result` holds `size` times as many elements as `elements`.
  /// Collective. Source: MPI 3.1 section 5.7 (MPI_Allgather).
  public func allGather<Element: MPIElement>(
    _ elements: UnsafeBufferPointer<Element>, into result: UnsafeMutableBufferPointer<Element>
  ) throws(MPIError) {
    precondition(
      result.count == size * elements.count,
      "\(result.count) elements of space for \(size) ranks with \(elements.count) each")
    let count = try narrow("MPI_Allgather", elements.count)
    // int MPI_Allgather(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
    //                   int recvcount, MPI_Datatype recvtype, MPI_Comm comm)
    try check(
      "MPI_Allgather",
      MPI_Allgather(
        elements.baseAddress, count, Element.raw.handle, result.baseAddress, count,
        Element.raw.handle, raw.handle))
  }

  /// The elements of each rank, on every rank.
  ///
  /// Shapes: `elements` [n_rank], any n_rank; result[r] holds the n_r elements of rank r.
  /// Two collectives: the counts, then the elements.
  /// Collective. Source: MPI 3.1 section 5.7 (MPI_Allgatherv).
  public func allGatherV<Element: MPIElement>(
    _ elements: [Element]
  ) throws(MPIError) -> [[Element]] {
    let partition = try Partition(counts: allGather([elements.count]))
    var result = [Element](repeating: .blank, count: partition.total)
    try result.withUnsafeMutableBufferPointer { result throws(MPIError) in
      try elements.withUnsafeBufferPointer { elements throws(MPIError) in
        try allGatherV(elements, into: result, partition)
      }
    }
    return (0..<size).map { Array(result[partition[$0]]) }
  }

  /// As the array spelling where the counts are known, into memory of the caller; allocates nothing.
  ///
  /// - Precondition: `partition` has a part per rank, this rank's as long as `elements`, and
  ///   `result` holds all of them.
  /// Collective. Source: MPI 3.1 section 5.7 (MPI_Allgatherv).
  public func allGatherV<Element: MPIElement>(
    _ elements: UnsafeBufferPointer<Element>, into result: UnsafeMutableBufferPointer<Element>,
    _ partition: Partition
  ) throws(MPIError) {
    precondition(
      partition.peerCount == size, "\(partition.peerCount) parts for \(size) ranks")
    precondition(
      partition[rank].count == elements.count && partition.total <= result.count,
      "\(elements.count) elements for a part of \(partition[rank].count), "
        + "space for \(result.count) of \(partition.total)")
    // int MPI_Allgatherv(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
    //                    const int recvcounts[], const int displs[], MPI_Datatype recvtype,
    //                    MPI_Comm comm)
    try check(
      "MPI_Allgatherv",
      MPI_Allgatherv(
        elements.baseAddress, partition.counts[rank], Element.raw.handle, result.baseAddress,
        partition.counts, partition.displacements, Element.raw.handle, raw.handle))
  }

  /// The rows of every rank in rank order, on every rank; allocates nothing.
  ///
  /// Shapes: `rows` [partition[rank].count, row.byteCount] bytes, `result` [partition.total,
  /// row.byteCount] bytes. Counts are in rows.
  /// - Precondition: `partition` has a part per rank; the buffers hold their rows.
  /// Collective. Source: MPI 3.1 section 5.7 (MPI_Allgatherv).
  public func allGatherV(
    rows: UnsafeRawPointer?, into result: UnsafeMutableRawPointer?, _ partition: Partition,
    row: borrowing RowDatatype
  ) throws(MPIError) {
    precondition(
      partition.peerCount == size, "\(partition.peerCount) parts for \(size) ranks")
    // int MPI_Allgatherv(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
    //                    const int recvcounts[], const int displs[], MPI_Datatype recvtype,
    //                    MPI_Comm comm)
    try check(
      "MPI_Allgatherv",
      MPI_Allgatherv(
        rows, partition.counts[rank], row.raw.handle, result, partition.counts,
        partition.displacements, row.raw.handle, raw.handle))
  }
}
