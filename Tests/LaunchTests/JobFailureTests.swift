// SPDX-License-Identifier: Apache-2.0
// epsim: tests of how a job ends when one of its ranks fails.

import Foundation
import MPI
import TestSupport
import Testing

/// Each test starts this test process again on three ranks; there, rank 1 fails while the others
/// wait for it in a barrier.
@Suite("Job failure", .serialized) @MainActor
struct JobFailureTests {
  private nonisolated static let variable = "EPSIM_TEST_RANK_1"

  /// Runs the calling test on three ranks and returns nil in them.
  private func launchThis(_ test: String) throws -> Command? {
    if ProcessInfo.processInfo.environment[Self.variable] != nil { return nil }
    return try Command.run(
      "scripts/launch",
      [
        "-n", "3", "--timeout", "60", "--", CommandLine.arguments[0], "--testing-library",
        "swift-testing",
        "--no-parallel", "--filter", "JobFailureTests.\(test)",
      ], environment: [Self.variable: "fails", "SWIFT_BACKTRACE": "enable=no"])
  }

  @Test("abort on one rank ends all ranks with its code")
  func abort() throws {
    guard let outcome = try launchThis("abort") else {
      if SharedMPI.world.rank == 1 { MPIEnvironment.abort(code: 3) }
      return try SharedMPI.world.barrier()
    }
    #expect(outcome.exitCode == 3, "\(outcome.error)")
    #expect(outcome.seconds < 30)
    #expect(!outcome.error.contains("MPI_ABORT"))
  }

  @Test("a trap on one rank ends all ranks")
  func trap() throws {
    guard let outcome = try launchThis("trap") else {
      if SharedMPI.world.rank == 1 { preconditionFailure("rank 1 traps") }
      return try SharedMPI.world.barrier()
    }
    #expect(outcome.exitCode > (MPILibrary.isOpenMPI ? 128 : 0), "\(outcome.error)")
    #expect(outcome.seconds < 30)
  }

  @Test("a rank that exits without finalising ends all ranks with its code")
  func exit() throws {
    guard let outcome = try launchThis("exit") else {
      if SharedMPI.world.rank == 1 { _exit(5) }
      return try SharedMPI.world.barrier()
    }
    // MPICH's launcher may report how it ended the other ranks.
    if MPILibrary.isOpenMPI { #expect(outcome.exitCode == 5, "\(outcome.error)") }
    #expect(outcome.exitCode != 0)
    #expect(outcome.seconds < 30)
  }

  @Test("abort without MPI exits with its code")
  func abortAlone() async {
    await #expect(processExitsWith: .exitCode(4)) { MPIEnvironment.abort(code: 4) }
  }

  @Test("abort of a single process that has started MPI exits with its code")
  func abortSingleton() async {
    await #expect(processExitsWith: .exitCode(6)) {
      let environment = try MPIEnvironment()
      precondition(environment.threadLevel >= .funneled)
      MPIEnvironment.abort(code: 6)
    }
  }
}
