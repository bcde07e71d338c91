// SPDX-License-Identifier: Apache-2.0
// epsim: new communicators from old ones.

internal import CMPIShim

extension Communicator {
  /// The same ranks with a message space of their own.
  ///
  /// Collective: every rank of this communicator.
  /// Source: MPI 3.1 section 6.4.2 (MPI_Comm_dup).
  public func duplicate() throws(MPIError) -> Communicator {
    var new = cmpi_comm()
    // int MPI_Comm_dup(MPI_Comm comm, MPI_Comm *newcomm)
    try check("MPI_Comm_dup", MPI_Comm_dup(raw.handle, &new.handle))
    return try Communicator(new, isOwned: true)
  }

  /// One communicator per color; ranks in it are ordered by `key`, ties by their present rank.
  ///
  /// Collective: every rank of this communicator, also those that pass nil.
  /// - Parameters:
  ///   - color: which communicator this rank joins, not negative; nil joins none.
  ///   - key: the order within the new communicator.
  /// - Returns: this rank's communicator; nil exactly where `color` is nil.
  /// Source: MPI 3.1 section 6.4.2 (MPI_Comm_split).
  public func split(color: Int?, key: Int) throws(MPIError) -> Communicator? {
    let rawColor = if let color { try narrow("MPI_Comm_split", color) } else { MPI_UNDEFINED }
    var new = cmpi_comm()
    // int MPI_Comm_split(MPI_Comm comm, int color, int key, MPI_Comm *newcomm)
    try check(
      "MPI_Comm_split",
      MPI_Comm_split(raw.handle, rawColor, try narrow("MPI_Comm_split", key), &new.handle))
    return color == nil ? nil : try Communicator(new, isOwned: true)
  }

  /// The ranks that share memory with this one, in their present order: those of one machine.
  ///
  /// Collective: every rank of this communicator.
  /// Source: MPI 3.1 section 6.4.2 (MPI_Comm_split_type, MPI_COMM_TYPE_SHARED).
  public func splitShared() throws(MPIError) -> Communicator {
    var new = cmpi_comm()
    // int MPI_Comm_split_type(MPI_Comm comm, int split_type, int key, MPI_Info info,
    //                         MPI_Comm *newcomm)
    try check(
      "MPI_Comm_split_type",
      MPI_Comm_split_type(
        raw.handle, Int32(MPI_COMM_TYPE_SHARED), try narrow("MPI_Comm_split_type", rank),
        cmpi_info_null(), &new.handle))
    return try Communicator(new, isOwned: true)
  }
}
