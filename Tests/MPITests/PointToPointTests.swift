// SPDX-License-Identifier: Apache-2.0
// epsim: tests of messages between two ranks.

import MPI
import TestSupport
import Testing

@Suite("Point to point", .serialized) @MainActor
struct PointToPointTests {
  @Test("sendReceive passes elements around the ring")
  func ring() throws {
    let world = SharedMPI.world
    let right = (world.rank + 1) % world.size
    let left = (world.rank + world.size - 1) % world.size
    let own = (0..<world.rank + 1).map { Float($0) }
    let received = try world.sendReceive(own, to: right, count: world.size, from: left)
    try expectOnAllRanks(received == (0..<left + 1).map { Float($0) }, "\(received)")
  }

  @Test("sendReceive of many bytes does not wait in a circle", arguments: [0, 1, 1 << 22])
  func ringOfBytes(count: Int) throws {
    let world = SharedMPI.world
    let right = (world.rank + 1) % world.size
    let left = (world.rank + world.size - 1) % world.size
    let sent = [UInt8](repeating: UInt8(world.rank + 1), count: count)
    var received = [UInt8](repeating: 0, count: count)
    let receivedCount = try received.withUnsafeMutableBytes { received in
      try sent.withUnsafeBytes { sent in
        try world.sendReceive(sent, to: right, into: received, from: left, tag: 3)
      }
    }
    try expectOnAllRanks(receivedCount == count)
    try expectOnAllRanks(received.allSatisfy { $0 == UInt8(left + 1) })
  }

  @Test(
    "messages with different tags are received in the order of the receiver",
    .enabled(if: SharedMPI.launchedRanks >= 2, "needs two ranks"))
  func tags() throws {
    let world = SharedMPI.world
    var received: [Int64] = []
    if world.rank == 0 {
      try world.send([Int64(10)], to: world.size - 1, tag: 1)
      try world.send([Int64(20), 21], to: world.size - 1, tag: 2)
    }
    if world.rank == world.size - 1 {
      received = try world.receive(count: 8, from: 0, tag: 2)
      received += try world.receive(count: 8, from: 0, tag: 1)
    }
    try expectOnAllRanks(received == (world.rank == world.size - 1 ? [20, 21, 10] : []))
  }

  @Test(
    "a message longer than the receive buffer is a truncation error on the receiver alone",
    .enabled(if: SharedMPI.launchedRanks >= 2, "needs two ranks"))
  func truncation() throws {
    let world = SharedMPI.world
    if world.rank == 0 { try world.send([Int32](repeating: 1, count: 10), to: 1) }
    var error: MPIError?
    if world.rank == 1 {
      error = #expect(throws: MPIError.self) {
        _ = try world.receive(Int32.self, count: 4, from: 0)
      }
    }
    try expectOnAllRanks(
      world.rank != 1
        || error?.function == "MPI_Recv" && error?.message.contains("MPI_ERR_TRUNCATE") == true,
      "\(String(describing: error))")
  }
}
