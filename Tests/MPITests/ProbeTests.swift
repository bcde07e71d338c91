// SPDX-License-Identifier: Apache-2.0
// epsim: tests of asking for a message without waiting.

import MPI
import TestSupport
import Testing

@Suite("Probe", .serialized) @MainActor
struct ProbeTests {
  // A rank that sends to itself would wait for its own receive.
  @Test(
    "a message is there once it was sent, with its tag only, until it is received",
    .enabled(if: SharedMPI.launchedRanks > 1, "needs two ranks"))
  func message() throws {
    let world = SharedMPI.world
    let left = (world.rank + world.size - 1) % world.size
    try expectOnAllRanks(try !world.hasMessage(from: left, tag: 5))
    // Nobody sends before everybody has asked: expectOnAllRanks is a collective.
    try world.send([Int64(world.rank)], to: (world.rank + 1) % world.size, tag: 5)
    while try !world.hasMessage(from: left, tag: 5) {}
    let otherTag = try world.hasMessage(from: left, tag: 6)
    let again = try world.hasMessage(from: left, tag: 5)
    let received = try world.receive(Int64.self, count: 1, from: left, tag: 5)
    let after = try world.hasMessage(from: left, tag: 5)
    try expectOnAllRanks(!otherTag && again && received == [Int64(left)] && !after)
  }

  @Test("asking a rank that does not exist is an error")
  func rank() throws {
    let world = SharedMPI.world
    let error = #expect(throws: MPIError.self) { _ = try world.hasMessage(from: world.size) }
    try expectOnAllRanks(error?.message.contains("MPI_ERR_RANK") == true)
  }
}
