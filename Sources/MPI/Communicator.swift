// SPDX-License-Identifier: Apache-2.0
// epsim: a group of ranks that can exchange data.

internal import CMPIShim

/// A group of ranks with its own message space: rank, size and an owned handle.
///
/// Errors are returned, never fatal. A communicator that owns its handle frees it when it goes out
/// of scope; freeing is collective, so let every rank of it reach the end of the scope.
/// Not `Sendable`: MPI stays on the thread that initialised it.
/// Source: MPI 3.1 chapter 6.
public struct Communicator: ~Copyable {
  let raw: cmpi_comm
  private let isOwned: Bool
  /// Index of this process in the group, `0 ..< size`.
  public let rank: Int
  /// Processes in the group.
  public let size: Int

  /// All ranks of the job; borrowed, never freed. Local.
  ///
  /// - Precondition: MPI is initialised and not finalised.
  public static var world: Communicator {
    precondition(
      MPIEnvironment.isInitialized && !MPIEnvironment.isFinalized,
      "the world exists between initialisation and finalisation of MPI")
    do throws(MPIError) {
      return try Communicator(cmpi_comm(handle: cmpi_comm_world()), isOwned: false)
    } catch {
      fatalError("\(error)")
    }
  }

  /// Takes a handle; `isOwned` says whether it is freed in the end.
  init(_ raw: cmpi_comm, isOwned: Bool) throws(MPIError) {
    var rank: Int32 = 0
    var size: Int32 = 0
    try returnErrors(raw)
    // int MPI_Comm_rank(MPI_Comm comm, int *rank)
    try check("MPI_Comm_rank", MPI_Comm_rank(raw.handle, &rank))
    // int MPI_Comm_size(MPI_Comm comm, int *size)
    try check("MPI_Comm_size", MPI_Comm_size(raw.handle, &size))
    self.raw = raw
    self.isOwned = isOwned
    self.rank = Int(rank)
    self.size = Int(size)
  }

  deinit {
    guard isOwned, !MPIEnvironment.isFinalized else { return }
    var handle = raw
    // int MPI_Comm_free(MPI_Comm *comm)
    MPI_Comm_free(&handle.handle)
  }
}

@available(*, unavailable, message: "MPI stays on the thread that initialised it")
extension Communicator: Sendable {}
