// SPDX-License-Identifier: Apache-2.0
// epsim: the name of an error class and one line of text for a code, whatever the library.

internal import CMPIShim

extension MPIError {
  /// Name of an error class in the standard, for example `MPI_ERR_RANK`. Local.
  ///
  /// Source: MPI 3.1 section 8.4, table 8.1.
  static func name(ofClass errorClass: Int32) -> String {
    names.first { $0.errorClass == errorClass }?.name ?? "error class \(errorClass)"
  }

  /// What the library says about a code, in one line that starts with the name of its class.
  ///
  /// Open MPI's text is that line. MPICH's has no name and is a stack of calls, one per line.
  static func line(ofClass errorClass: Int32, text: String) -> String {
    let joined = text.split(whereSeparator: \.isNewline).joined(separator: "; ")
    let name = name(ofClass: errorClass)
    return joined.hasPrefix(name) ? joined : "\(name): \(joined)"
  }

  /// The classes of communication; their numbers differ between libraries.
  private static let names: [(errorClass: Int32, name: String)] = [
    (Int32(MPI_ERR_BUFFER), "MPI_ERR_BUFFER"),
    (Int32(MPI_ERR_COUNT), "MPI_ERR_COUNT"),
    (Int32(MPI_ERR_TYPE), "MPI_ERR_TYPE"),
    (Int32(MPI_ERR_TAG), "MPI_ERR_TAG"),
    (Int32(MPI_ERR_COMM), "MPI_ERR_COMM"),
    (Int32(MPI_ERR_RANK), "MPI_ERR_RANK"),
    (Int32(MPI_ERR_REQUEST), "MPI_ERR_REQUEST"),
    (Int32(MPI_ERR_ROOT), "MPI_ERR_ROOT"),
    (Int32(MPI_ERR_GROUP), "MPI_ERR_GROUP"),
    (Int32(MPI_ERR_OP), "MPI_ERR_OP"),
    (Int32(MPI_ERR_ARG), "MPI_ERR_ARG"),
    (Int32(MPI_ERR_TRUNCATE), "MPI_ERR_TRUNCATE"),
    (Int32(MPI_ERR_OTHER), "MPI_ERR_OTHER"),
    (Int32(MPI_ERR_INTERN), "MPI_ERR_INTERN"),
    (Int32(MPI_ERR_PENDING), "MPI_ERR_PENDING"),
    (Int32(MPI_ERR_NO_MEM), "MPI_ERR_NO_MEM"),
    (Int32(MPI_ERR_UNSUPPORTED_OPERATION), "MPI_ERR_UNSUPPORTED_OPERATION"),
  ]
}
