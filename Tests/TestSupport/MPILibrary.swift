// SPDX-License-Identifier: Apache-2.0
// epsim: tests of what only one MPI library promises.

internal import MPI
public import Testing

/// The MPI library that the tests were built with.
public enum MPILibrary {
  /// Whether it is Open MPI.
  public static var isOpenMPI: Bool { MPIEnvironment.libraryVersion.contains("Open MPI") }
}

extension Trait where Self == ConditionTrait {
  /// For tests of exit codes that MPICH's launcher does not have: it ends with the codes and signal
  /// numbers of all ranks in one word, and with 255 after a time limit.
  public static var requiresOpenMPI: Self {
    .enabled(if: MPILibrary.isOpenMPI, "exit codes of Open MPI's launcher")
  }
}
