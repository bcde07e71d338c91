// SPDX-License-Identifier: Apache-2.0
// epsim: tests of barrier and broadcast.

import MPI
import TestSupport
import Testing

@Suite("Broadcast", .serialized) @MainActor
struct BroadcastTests {
  @Test("every rank gets the elements of the root, whatever it passed itself")
  func fromEveryRoot() throws {
    let world = SharedMPI.world
    for root in 0..<world.size {
      let own = (0..<world.rank + 2).map { Double($0 + world.rank * 100) }
      let received = try world.broadcast(own, root: root)
      let expected = (0..<root + 2).map { Double($0 + root * 100) }
      try expectOnAllRanks(received == expected, "from \(root): \(received)")
    }
  }

  @Test("an empty array arrives as an empty array")
  func empty() throws {
    let world = SharedMPI.world
    let received = try world.broadcast(world.rank == 0 ? [] : [Int32(5)], root: 0)
    try expectOnAllRanks(received.isEmpty)
  }

  @Test("text arrives with its characters")
  func text() throws {
    let world = SharedMPI.world
    let last = world.size - 1
    let text = try world.broadcast(world.rank == last ? "β = 2 µs, 日本" : "", root: last)
    try expectOnAllRanks(text == "β = 2 µs, 日本")
  }

  @Test("a buffer is filled in place")
  func inPlace() throws {
    let world = SharedMPI.world
    var values = [UInt64](repeating: UInt64(world.rank), count: 1000)
    try values.withUnsafeMutableBufferPointer { try world.broadcast($0, root: world.size - 1) }
    try expectOnAllRanks(values.allSatisfy { $0 == UInt64(world.size - 1) })
  }

  @Test("a root that does not exist is an error on every rank")
  func wrongRoot() throws {
    let world = SharedMPI.world
    let error = #expect(throws: MPIError.self) {
      _ = try world.broadcast([Int32(1)], root: world.size)
    }
    try expectOnAllRanks(error?.function == "MPI_Bcast", "\(String(describing: error))")
    try expectOnAllRanks(error?.message.contains("MPI_ERR_ROOT") == true)
  }

  @Test(
    "more bytes than one call of MPI takes go in several",
    .enabled(if: SharedMPI.launchedRanks == 1, "three gigabytes to every other rank"))
  func large() throws {
    // Nobody touches the memory, so it is never backed by pages.
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 3 << 30, alignment: 64)
    defer { bytes.deallocate() }
    try SharedMPI.world.broadcast(bytes, root: 0)
  }

  @Test("no rank leaves a barrier before the last has entered")
  func barrier() throws {
    let world = SharedMPI.world
    // Everybody reports to rank 0 before the barrier; a message sent before it is there after it.
    let others = 1..<world.size
    if world.rank != 0 { try world.send([Int32(world.rank)], to: 0, tag: 9) }
    try world.barrier()
    var arrived: [Int32] = []
    if world.rank == 0 {
      for other in others { arrived += try world.receive(count: 1, from: other, tag: 9) }
    }
    try expectOnAllRanks(world.rank != 0 || arrived == others.map { Int32($0) })
  }
}
