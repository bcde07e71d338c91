// SPDX-License-Identifier: Apache-2.0
// epsim: what is known about MPI and the launcher, initialised or not.

internal import CMPIShim

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

extension MPIEnvironment {
  /// Whether MPI was initialised in this process; stays true after finalisation. Local.
  public static var isInitialized: Bool {
    var flag: Int32 = 0
    // int MPI_Initialized(int *flag)
    MPI_Initialized(&flag)
    return flag != 0
  }

  /// Whether MPI was finalised in this process. Local.
  public static var isFinalized: Bool {
    var flag: Int32 = 0
    // int MPI_Finalized(int *flag)
    MPI_Finalized(&flag)
    return flag != 0
  }

  /// Name and version of the MPI library, first line only, for example
  /// `Open MPI v4.1.4, package: Debian OpenMPI, ...`. Local; works before initialisation.
  ///
  /// Source: MPI 3.1 section 8.1.1 (MPI_Get_library_version).
  public static var libraryVersion: String {
    let text = string(capacity: Int(MPI_MAX_LIBRARY_VERSION_STRING)) { bytes, length in
      // int MPI_Get_library_version(char *version, int *resultlen)
      MPI_Get_library_version(bytes, length)
    }
    return String(text.prefix { $0 != "\n" && $0 != "\0" })
  }

  /// Name of the machine as MPI sees it. Local.
  ///
  /// - Precondition: MPI is initialised.
  /// Source: MPI 3.1 section 8.1.2 (MPI_Get_processor_name).
  public static var processorName: String {
    precondition(isInitialized && !isFinalized, "the processor name needs MPI to be initialised")
    return string(capacity: Int(MPI_MAX_PROCESSOR_NAME)) { bytes, length in
      // int MPI_Get_processor_name(char *name, int *resultlen)
      MPI_Get_processor_name(bytes, length)
    }
  }

  /// Ranks that the launcher says it started; nil without a launcher. Local.
  ///
  /// More than the size of the world means that the launcher belongs to another MPI library and
  /// every process believes to be alone. Slurm's task count is not asked: it is set for the
  /// shell of an allocation too.
  public static var launchedSize: Int? {
    integer(of: ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"])
  }

  /// Rank that the launcher gave this process; nil without a launcher. Local.
  public static var launchedRank: Int? {
    integer(of: ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"])
  }

  private static func integer(of names: [String]) -> Int? {
    for name in names {
      if let text = getenv(name), let value = Int(String(cString: text)), value >= 0 {
        return value
      }
    }
    return nil
  }

  private static func string(
    capacity: Int, _ fill: (UnsafeMutablePointer<CChar>?, UnsafeMutablePointer<Int32>) -> Int32
  ) -> String {
    String(unsafeUninitializedCapacity: capacity) { bytes in
      bytes.withMemoryRebound(to: CChar.self) { text in
        var length: Int32 = 0
        guard fill(text.baseAddress, &length) == MPI_SUCCESS else { return 0 }
        return min(max(0, Int(length)), capacity)
      }
    }
  }
}
