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
    let (source, tag) = (try narrow("MPI_Iprobe", source), try narrow("MPI_Iprobe", tag))
    var flag: Int32 = 0
    var status = MPI_Status()
    // int MPI_Iprobe(int source, int tag, MPI_Comm comm, int *flag, MPI_Status *status)
    try check("MPI_Iprobe", MPI_Iprobe(source, tag, raw.handle, &flag, &status))
    return flag != 0
  }
}
