// SPDX-License-Identifier: Apache-2.0
// epsim: the values of all ranks combined element by element.

internal import CMPIShim

extension Communicator {
  /// The elements of all ranks combined, on `root`; an empty array on the others.
  ///
  /// Shapes: `elements` [n] with the same n on every rank, result [n].
  /// Collective: every rank of this communicator, in the same order as its other collectives.
  /// Source: MPI 3.1 section 5.9.1 (MPI_Reduce).
  public func reduce<Element: MPIElement>(
    _ elements: [Element], _ operation: ReductionOperation, root: Int
  ) throws(MPIError) -> [Element] {
    let count = try narrow("MPI_Reduce", elements.count)
    let rawRoot = try narrow("MPI_Reduce", root)
    try check("MPI_Reduce", operation, on: Element.self)
    var result = [Element](repeating: .blank, count: rank == root ? elements.count : 0)
    try result.withUnsafeMutableBufferPointer { result throws(MPIError) in
      try elements.withUnsafeBufferPointer { elements throws(MPIError) in
        // int MPI_Reduce(const void *sendbuf, void *recvbuf, int count, MPI_Datatype datatype,
        //                MPI_Op op, int root, MPI_Comm comm)
        try check(
          "MPI_Reduce",
          MPI_Reduce(
            elements.baseAddress, result.baseAddress, count, Element.raw.handle,
            operation.raw.handle, rawRoot, raw.handle))
      }
    }
    return result
  }

  /// The elements of all ranks combined, on every rank.
  ///
  /// Shapes: `elements` [n] with the same n on every rank, result [n].
  /// Collective. Source: MPI 3.1 section 5.9.6 (MPI_Allreduce).
  public func allReduce<Element: MPIElement>(
    _ elements: [Element], _ operation: ReductionOperation
  ) throws(MPIError) -> [Element] {
    var result = elements
    try result.withUnsafeMutableBufferPointer { result throws(MPIError) in
      try allReduce(result, operation)
    }
    return result
  }

  /// The values of all ranks combined, on every rank.
  ///
  /// Collective. Source: MPI 3.1 section 5.9.6 (MPI_Allreduce).
  public func allReduce<Element: MPIElement>(
    _ value: Element, _ operation: ReductionOperation
  ) throws(MPIError) -> Element {
    var result = value
    try withUnsafeMutablePointer(to: &result) { result throws(MPIError) in
      try allReduce(UnsafeMutableBufferPointer(start: result, count: 1), operation)
    }
    return result
  }

  /// Replaces the elements by those of all ranks combined; allocates nothing.
  ///
  /// Shapes: `elements` [n] with the same n on every rank.
  /// Collective. Source: MPI 3.1 section 5.9.6 (MPI_Allreduce with MPI_IN_PLACE).
  public func allReduce<Element: MPIElement>(
    _ elements: UnsafeMutableBufferPointer<Element>, _ operation: ReductionOperation
  ) throws(MPIError) {
    let count = try narrow("MPI_Allreduce", elements.count)
    try check("MPI_Allreduce", operation, on: Element.self)
    // int MPI_Allreduce(const void *sendbuf, void *recvbuf, int count, MPI_Datatype datatype,
    //                   MPI_Op op, MPI_Comm comm)
    try check(
      "MPI_Allreduce",
      MPI_Allreduce(
        cmpi_in_place(), elements.baseAddress, count, Element.raw.handle, operation.raw.handle,
        raw.handle))
  }

  /// Combines the elements of all ranks and leaves part r with rank r; allocates nothing here, the
  /// MPI library may.
  ///
  /// Shapes: `elements` [partition.total] on every rank, `result` [partition[rank].count].
  /// - Throws: MPI_ERR_OP for an operation that the type does not have.
  /// - Precondition: `partition` is the same on every rank, has a part per rank without gaps, and
  ///   fits the buffers, which do not overlap.
  /// Collective. Source: MPI 3.1 section 5.10.2 (MPI_Reduce_scatter).
  public func reduceScatter<Element: MPIElement>(
    _ elements: UnsafeBufferPointer<Element>, into result: UnsafeMutableBufferPointer<Element>,
    _ partition: Partition, _ operation: ReductionOperation
  ) throws(MPIError) {
    precondition(
      partition.peerCount == size, "\(partition.peerCount) parts for \(size) ranks")
    // MPI knows counts only: a part that was left out would move those behind it.
    precondition(
      partition.counts.reduce(0) { $0 + Int($1) } == partition.total, "parts with gaps")
    precondition(
      elements.count == partition.total && result.count == partition[rank].count,
      "\(elements.count) elements for \(partition.total), "
        + "space for \(result.count) of \(partition[rank].count)")
    try check("MPI_Reduce_scatter", operation, on: Element.self)
    // int MPI_Reduce_scatter(const void *sendbuf, void *recvbuf, const int recvcounts[],
    //                        MPI_Datatype datatype, MPI_Op op, MPI_Comm comm)
    try check(
      "MPI_Reduce_scatter",
      MPI_Reduce_scatter(
        elements.baseAddress, result.baseAddress, partition.counts, Element.raw.handle,
        operation.raw.handle, raw.handle))
  }
}
