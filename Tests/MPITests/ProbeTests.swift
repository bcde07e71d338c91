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

  @Test("a probe of any rank says whose message is there and how long it is")
  func anySource() throws {
    let world = SharedMPI.world
    let set = RequestSet(capacity: world.size)
    let buffer = UnsafeMutableBufferPointer<Int64>.allocate(capacity: world.size)
    defer { buffer.deallocate() }
    let before = try world.probe(tag: 11)
    try expectOnAllRanks(before == nil)
    // Rank r sends r elements to every rank, itself included.
    let own = (0..<world.rank).map { Int64(world.rank * 10 + $0) }
    var received: [Int: [Int64]] = [:]
    try own.withUnsafeBufferPointer { own in
      for peer in 0..<world.size { _ = try set.startSend(own, to: peer, tag: 11, on: world) }
      while received.count < world.size {
        guard let (source, byteCount) = try world.probe(tag: 11) else { continue }
        let again = try world.probe(from: source, tag: 11)
        let count = try world.receive(into: buffer, from: source, tag: 11)
        #expect(again?.source == source && again?.byteCount == byteCount)
        #expect(byteCount == count * 8)
        received[source] = Array(buffer[..<count])
      }
      try set.waitAll()
    }
    let expected = (0..<world.size).map { rank in
      (rank, (0..<rank).map { Int64(rank * 10 + $0) })
    }
    let after = try world.probe(tag: 11)
    try expectOnAllRanks(
      received == Dictionary(uniqueKeysWithValues: expected) && after == nil, "\(received)")
  }
}
