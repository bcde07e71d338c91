// SPDX-License-Identifier: Apache-2.0
// epsim: tests of what is known about MPI and the launcher.

import MPI
import TestSupport
import Testing

@Suite("MPI environment", .serialized) @MainActor
struct MPIEnvironmentTests {
  @Test("the world is as large as the launcher says, and each process has the launcher's rank")
  func launcherAgrees() throws {
    let world = SharedMPI.world
    try expectOnAllRanks(world.size == MPIEnvironment.launchedSize ?? 1)
    try expectOnAllRanks(world.rank == MPIEnvironment.launchedRank ?? 0)
  }

  @Test("MPI is initialised and not finalised while tests run")
  func state() throws {
    let world = SharedMPI.world
    #expect(world.size > 0)
    #expect(MPIEnvironment.isInitialized)
    #expect(!MPIEnvironment.isFinalized)
  }

  @Test("the library's version is one line with a number")
  func version() {
    let version = MPIEnvironment.libraryVersion
    #expect(version.contains { $0.isNumber })
    #expect(!version.contains { $0.isNewline })
  }

  @Test("the processor has a name")
  func processor() throws {
    let world = SharedMPI.world
    let name = MPIEnvironment.processorName
    try expectOnAllRanks(!name.isEmpty && world.size > 0)
  }

  @Test("thread levels are ordered from the most restrictive up")
  func threadLevels() {
    #expect(ThreadLevel.single < .funneled)
    #expect(ThreadLevel.funneled < .serialized)
    #expect(ThreadLevel.serialized < .multiple)
  }
}
