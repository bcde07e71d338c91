// SPDX-License-Identifier: Apache-2.0
// epsim: MPI as all tests of a process share it.

public import MPI

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// MPI for the tests: initialised at first use, finalised when the process exits.
///
/// MPI starts once per process and a rank that exits without finalising makes the launcher report
/// a failure, so the suites of a test process share one environment. Without a launcher it is one
/// rank.
@MainActor
public enum SharedMPI {
  nonisolated(unsafe) fileprivate static var environment: MPIEnvironment?

  /// All ranks of this launch.
  public static var world: Communicator {
    if environment == nil { start() }
    return .world
  }

  /// Ranks of this launch, as the launcher says: usable in traits, before MPI is initialised.
  nonisolated public static var launchedRanks: Int { MPIEnvironment.launchedSize ?? 1 }

  private static func start() {
    do {
      environment = try MPIEnvironment(threads: .funneled)
    } catch {
      fatalError("MPI does not start: \(error)")
    }
    precondition(
      Communicator.world.size == launchedRanks,
      "\(launchedRanks) ranks were launched, the world has \(Communicator.world.size): "
        + "the launcher belongs to another MPI library")
    atexit(finishAtExit)
  }
}

/// Runs on whichever thread ends the process, when no test calls MPI any more.
private func finishAtExit() {
  guard let ended = SharedMPI.environment.take() else { return }
  try? ended.finalize()
}
