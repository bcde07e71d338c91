// SPDX-License-Identifier: Apache-2.0
// epsim: tests of collectives that are started now and completed later.

import MPI
import TestSupport
import Testing

private func rowCount(_ source: Int, _ destination: Int, _ chunk: Int) -> Int {
  (source * 3 + destination * 5 + chunk * 2) % 4
}

@Suite("Request set of collectives", .serialized) @MainActor
struct RequestSetCollectivesTests {
  @Test("several all-to-alls at once move what the blocking one moves")
  func allToAllV() throws {
    let world = SharedMPI.world
    let (chunks, floats) = (4, 700)
    let row = try RowDatatype(byteCount: floats * 4)
    let set = RequestSet(capacity: chunks, peerCapacity: world.size + 3)
    var sent: [[Float]] = []
    var expected: [[Float]] = []
    var results: [UnsafeMutableBufferPointer<Float>] = []
    defer { for result in results { result.deallocate() } }
    var (send, receive) = (Partition(peerCount: world.size), Partition(peerCount: world.size))
    for chunk in 0..<chunks {
      try send.setCounts((0..<world.size).map { rowCount(world.rank, $0, chunk) })
      try receive.setCounts((0..<world.size).map { rowCount($0, world.rank, chunk) })
      sent.append(
        (0..<send.total * floats).map { Float(world.rank * 1_000_000 + chunk * 100_000 + $0) })
      var reference = [Float](repeating: -1, count: receive.total * floats)
      try reference.withUnsafeMutableBytes { reference in
        try sent[chunk].withUnsafeBytes { sent in
          try world.allToAllV(
            rows: sent.baseAddress, send, into: reference.baseAddress, receive, row: row)
        }
      }
      expected.append(reference)
      results.append(.allocate(capacity: receive.total * floats))
      results[chunk].initialize(repeating: -1)
    }
    let copies = sent.map { rows in
      let copy = UnsafeMutableBufferPointer<Float>.allocate(capacity: rows.count)
      _ = copy.initialize(from: rows)
      return copy
    }
    defer { for copy in copies { copy.deallocate() } }
    // One partition serves all chunks: a started operation has its own copy of the counts.
    for chunk in 0..<chunks {
      try send.setCounts((0..<world.size).map { rowCount(world.rank, $0, chunk) })
      try receive.setCounts((0..<world.size).map { rowCount($0, world.rank, chunk) })
      let slot = try set.startAllToAllV(
        rows: UnsafeRawPointer(copies[chunk].baseAddress), send,
        into: UnsafeMutableRawPointer(results[chunk].baseAddress), receive, row: row, on: world)
      #expect(slot == chunk)
    }
    try send.setCounts(Array(repeating: 0, count: world.size))
    var reported: [Int] = []
    while set.pendingCount > 0 { try set.testSome { reported.append($0) } }
    try expectOnAllRanks(reported.sorted() == Array(0..<chunks), "\(reported)")
    try expectOnAllRanks(results.map { Array($0) } == expected)
  }

  @Test("a reduction beside a message and a barrier")
  func mixed() throws {
    let world = SharedMPI.world
    let set = RequestSet(capacity: 4)
    let own = (0..<3000).map { Int64(world.rank * 7 + $0) }
    let sum = UnsafeMutableBufferPointer<Int64>.allocate(capacity: own.count)
    let message = UnsafeMutableBufferPointer<Int64>.allocate(capacity: 2)
    defer {
      sum.deallocate()
      message.deallocate()
    }
    sum.initialize(repeating: 0)
    message.initialize(repeating: 0)
    message[0] = Int64(world.rank)
    try own.withUnsafeBufferPointer { own in
      let slots = [
        try set.startAllReduce(own, .sum, into: sum, on: world),
        try set.startReceive(
          into: UnsafeMutableBufferPointer(rebasing: message[1...]),
          from: (world.rank + 1) % world.size, on: world),
        try set.startSend(
          UnsafeBufferPointer(rebasing: message[..<1]),
          to: (world.rank + world.size - 1) % world.size, on: world),
        try set.startBarrier(on: world),
      ]
      try expectOnAllRanks(slots == [0, 1, 2, 3])
      try set.waitAll()
    }
    try expectOnAllRanks(Array(sum) == (try world.allReduce(own, .sum)))
    try expectOnAllRanks(message[1] == Int64((world.rank + 1) % world.size))
  }

  @Test("a barrier is pending until the last rank has started it")
  func barrier() throws {
    let world = SharedMPI.world
    let set = RequestSet(capacity: 1)
    // Collectives of one communicator have one order on all ranks: this one has its own.
    let copy = try world.duplicate()
    let isLate = world.size > 1 && world.rank == world.size - 1
    if !isLate { _ = try set.startBarrier(on: copy) }
    var isDone = false
    for _ in 0..<1000 where !isLate { isDone = try set.test(0) || isDone }
    // The last rank starts its barrier when all others have asked.
    try expectOnAllRanks(isDone == (world.size == 1))
    if isLate { _ = try set.startBarrier(on: copy) }
    try set.waitAll()
    try expectOnAllRanks(set.pendingCount == 0)
  }

  @Test("a reduction that the type does not have takes no slot")
  func wrongOperation() throws {
    let world = SharedMPI.world
    let set = RequestSet(capacity: 1)
    let error = #expect(throws: MPIError.self) {
      _ = try set.startAllReduce(
        UnsafeBufferPointer<Float>(start: nil, count: 0), .logicalAnd,
        into: UnsafeMutableBufferPointer(start: nil, count: 0), on: world)
    }
    try expectOnAllRanks(error?.message.contains("MPI_ERR_OP") == true && set.pendingCount == 0)
  }

  @Test("ranks find out who sends to them without knowing it: synchronous sends and a barrier")
  func sparseExchange() throws {
    let world = SharedMPI.world
    let set = RequestSet(capacity: world.size + 1)
    for round in 0..<20 {
      func sends(_ from: Int, _ to: Int) -> Bool { (from * 5 + to * 3 + round) % 3 == 0 }
      let values = (0..<world.size).map { Int32(world.rank * 100 + $0) }
      var received: [Int: Int32] = [:]
      let tag = 20
      try values.withUnsafeBufferPointer { values in
        for peer in 0..<world.size where sends(world.rank, peer) {
          _ = try set.startSynchronousSend(
            UnsafeBufferPointer(rebasing: values[peer...peer]), to: peer, tag: tag, on: world)
        }
        var barrier: Int?
        while barrier == nil || set.pendingCount > 0 {
          while let (source, byteCount) = try world.probe(tag: tag) {
            received[source] = try world.receive(
              Int32.self, count: byteCount / 4, from: source, tag: tag)[0]
          }
          try set.testSome { _ in }
          if barrier == nil && set.pendingCount == 0 {
            barrier = try set.startBarrier(on: world)
          }
        }
      }
      let expected = (0..<world.size).filter { sends($0, world.rank) }
        .map { ($0, Int32($0 * 100 + world.rank)) }
      try expectOnAllRanks(received == Dictionary(uniqueKeysWithValues: expected), "\(received)")
    }
  }
}
