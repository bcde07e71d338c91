// SPDX-License-Identifier: Apache-2.0
// epsim: one token row as one MPI element.

internal import CMPIShim

/// One token row as one committed MPI datatype.
///
/// Counts and displacements of an exchange are then in rows, so the limit of a C `int` is 2^31 rows
/// and not 2^31 bytes. Freed when it goes out of scope.
/// Source: MPI 3.1 section 4.1.2 (MPI_Type_contiguous), section 4.1.9 (commit and free).
public struct RowDatatype: ~Copyable {
  let raw: cmpi_datatype
  /// Bytes of one row, all of them data.
  public let byteCount: Int

  /// A row of `byteCount` bytes. Local.
  /// - Throws: an error with ``MPIError/isCountOverflow`` for 2^31 bytes and more.
  /// - Precondition: `byteCount` is positive and MPI is initialised.
  public init(byteCount: Int) throws(MPIError) {
    precondition(byteCount > 0, "a row of \(byteCount) bytes")
    let count = try narrow("MPI_Type_contiguous", byteCount)
    var type = cmpi_datatype()
    // int MPI_Type_contiguous(int count, MPI_Datatype oldtype, MPI_Datatype *newtype)
    try check("MPI_Type_contiguous", MPI_Type_contiguous(count, cmpi_byte(), &type.handle))
    // int MPI_Type_commit(MPI_Datatype *datatype)
    try check("MPI_Type_commit", MPI_Type_commit(&type.handle))
    raw = type
    self.byteCount = byteCount
  }

  deinit {
    guard !MPIEnvironment.isFinalized else { return }
    var type = raw
    // int MPI_Type_free(MPI_Datatype *datatype)
    MPI_Type_free(&type.handle)
  }
}

@available(*, unavailable, message: "MPI stays on the thread that initialised it")
extension RowDatatype: Sendable {}
