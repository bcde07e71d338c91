// SPDX-License-Identifier: Apache-2.0
// epsim: start and end of MPI in a process.

internal import CMPIShim

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// MPI between initialisation and finalisation; one value per process.
///
/// Finalise on the success path only. A rank that fails calls ``abort(code:)`` instead, which
/// takes every rank down.
/// Source: MPI 3.1 section 8.7 (startup), section 12.4 (threads).
public struct MPIEnvironment: ~Copyable {
  /// The level that the library granted; at least the one asked for.
  public let threadLevel: ThreadLevel

  /// Initialises MPI and makes it return errors instead of killing the job.
  ///
  /// Collective: every rank of the job.
  /// - Throws: where MPI fails to start, or grants less than `threads`.
  /// - Precondition: MPI was never initialised in this process.
  /// Source: MPI 3.1 section 12.4.3 (MPI_Init_thread).
  public init(threads: ThreadLevel = .funneled) throws(MPIError) {
    precondition(!Self.isInitialized && !Self.isFinalized, "MPI is initialised once per process")
    if Self.launchedSize == nil && Self.launchedRank == nil {
      // Alone, Open MPI starts a daemon for processes to come. It would inherit every open file
      // of this process, also the pipes to its other children, and keep them open.
      setenv("OMPI_MCA_ess_singleton_isolated", "1", 0)
      // Isolated processes share one session folder, which the first to end takes from the others.
      setenv("OMPI_MCA_orte_create_session_dirs", "0", 0)
    }
    var provided: Int32 = 0
    // int MPI_Init_thread(int *argc, char ***argv, int required, int *provided)
    try check("MPI_Init_thread", MPI_Init_thread(nil, nil, threads.constant, &provided))
    guard provided >= threads.constant else {
      throw MPIError(function: "MPI_Init_thread", code: Int32(MPI_ERR_UNSUPPORTED_OPERATION))
    }
    // Errors of calls without a communicator (datatypes) go to WORLD in MPI 3, to SELF in MPI 4.
    try returnErrors(cmpi_comm(handle: cmpi_comm_world()))
    try returnErrors(cmpi_comm(handle: cmpi_comm_self()))
    threadLevel = [.multiple, .serialized, .funneled].first { $0.constant <= provided } ?? .single
  }

  /// Ends MPI. Communicators and datatypes that are still alive become inert.
  ///
  /// Collective: every rank of the job, with all communication completed.
  /// Source: MPI 3.1 section 8.7 (MPI_Finalize).
  public consuming func finalize() throws(MPIError) {
    // int MPI_Finalize(void)
    try check("MPI_Finalize", MPI_Finalize())
  }

  /// Ends every rank of the job; the launcher exits with `code`. Local. Works without MPI too.
  ///
  /// Source: MPI 3.1 section 8.7 (MPI_Abort).
  public static func abort(code: Int32) -> Never {
    fflush(nil)
    if isInitialized && !isFinalized {
      // int MPI_Abort(MPI_Comm comm, int errorcode)
      MPI_Abort(cmpi_comm_world(), code)
    }
    exit(code)
  }
}

@available(*, unavailable, message: "MPI stays on the thread that initialised it")
extension MPIEnvironment: Sendable {}

/// Makes calls on a communicator return their error code.
func returnErrors(_ comm: cmpi_comm) throws(MPIError) {
  // int MPI_Comm_set_errhandler(MPI_Comm comm, MPI_Errhandler errhandler)
  try check(
    "MPI_Comm_set_errhandler", MPI_Comm_set_errhandler(comm.handle, cmpi_errors_return()))
}
