// SPDX-License-Identifier: Apache-2.0
// epsim: tests of messages that are started now and completed later.

import MPI
import TestSupport
import Testing

/// Rows that rank `source` sends to `destination` in round `round`: uneven, often none.
private func rowCount(_ source: Int, _ destination: Int, _ round: Int) -> Int {
  max(0, (source * 7 + destination * 11 + round * 5) % 9 - 3)
}

/// Byte `index` of those rows.
private func byte(_ source: Int, _ destination: Int, _ round: Int, _ index: Int) -> UInt8 {
  UInt8(truncatingIfNeeded: source &* 31 &+ destination &* 17 &+ round &* 7 &+ index &* 3)
}

@Suite("Request set", .serialized) @MainActor
struct RequestSetTests {
  @Test("rows reach their ranks, oneself included", arguments: [1, 12, 4100])
  func rows(byteCount: Int) throws {
    let world = SharedMPI.world
    let row = try RowDatatype(byteCount: byteCount)
    let set = RequestSet(capacity: 2 * world.size)
    for round in 0..<5 {
      let (send, receive) = try partitions(round)
      let sent = bytes(from: world.rank, send, round, byteCount)
      var received = [UInt8](repeating: 0, count: receive.total * byteCount)
      var reported: [Int] = []
      try sent.withUnsafeBytes { sent in
        try received.withUnsafeMutableBytes { received in
          for step in 0..<world.size {
            let from = (world.rank + world.size - step) % world.size
            let to = (world.rank + step) % world.size
            let first = try set.startReceive(
              into: received.baseAddress.map { $0 + receive[from].lowerBound * byteCount },
              count: receive[from].count, row: row, from: from, tag: 9, on: world)
            let second = try set.startSend(
              rows: sent.baseAddress.map { $0 + send[to].lowerBound * byteCount },
              count: send[to].count, row: row, to: to, tag: 9, on: world)
            #expect((first, second) == (2 * step, 2 * step + 1))
          }
          while set.pendingCount > 0 {
            let before = (set.pendingCount, reported.count)
            if round % 2 == 0 {
              try set.testSome { reported.append($0) }
            } else {
              try set.waitSome { reported.append($0) }
              #expect(reported.count > before.1)
            }
            #expect(before.0 - set.pendingCount == reported.count - before.1)
          }
        }
      }
      try expectOnAllRanks(reported.sorted() == Array(0..<2 * world.size), "\(reported)")
      try expectOnAllRanks(
        received == expectedBytes(receive, round, byteCount), "round \(round)")
    }
  }

  @Test("elements go around the ring, large ones too", arguments: [0, 1, 1 << 20])
  func elements(count: Int) throws {
    let world = SharedMPI.world
    let (left, right) = neighbours()
    let set = RequestSet(capacity: 2)
    let sent = (0..<count).map { Int64(world.rank * 1000 + $0) }
    var received = [Int64](repeating: -1, count: count)
    try sent.withUnsafeBufferPointer { sent in
      try received.withUnsafeMutableBufferPointer { received in
        _ = try set.startReceive(into: received, from: left, on: world)
        _ = try set.startSend(sent, to: right, on: world)
        try set.waitAll()
      }
    }
    try expectOnAllRanks(set.pendingCount == 0)
    try expectOnAllRanks(received == (0..<count).map { Int64(left * 1000 + $0) })
  }

  @Test("a synchronous send is pending until its receive is there")
  func synchronousSend() throws {
    let world = SharedMPI.world
    let (left, right) = neighbours()
    let set = RequestSet(capacity: 2)
    let sent = UnsafeMutableBufferPointer<Int32>.allocate(capacity: 2)
    defer { sent.deallocate() }
    (sent[0], sent[1]) = (Int32(world.rank), -1)
    let slot = try set.startSynchronousSend(
      UnsafeBufferPointer(start: sent.baseAddress, count: 1), to: right, tag: 4, on: world)
    var isDone = false
    for _ in 0..<100 { isDone = try set.test(slot) || isDone }
    // Nobody receives before everybody has asked: expectOnAllRanks is a collective.
    try expectOnAllRanks(!isDone && set.isPending(slot) && set.pendingCount == 1)
    _ = try set.startReceive(
      into: UnsafeMutableBufferPointer(rebasing: sent[1...]), from: left, tag: 4, on: world)
    try set.waitAll()
    let isFree = try set.test(slot)
    try expectOnAllRanks(sent[1] == Int32(left) && isFree && !set.isPending(slot))
  }

  @Test("the lowest free slot is taken, the others stay where they are")
  func slots() throws {
    let world = SharedMPI.world
    let set = RequestSet(capacity: 4)
    let values = UnsafeMutableBufferPointer<Int32>.allocate(capacity: 6)
    defer { values.deallocate() }
    values.initialize(repeating: -1)
    func receive(_ tag: Int) throws -> Int {
      try set.startReceive(
        into: UnsafeMutableBufferPointer(rebasing: values[tag...tag]), from: world.rank, tag: tag,
        on: world)
    }
    func send(_ tag: Int) throws -> Int {
      try withUnsafePointer(to: Int32(tag * 10)) { value in
        let slot = try set.startSend(
          UnsafeBufferPointer(start: value, count: 1), to: world.rank, tag: tag, on: world)
        while try !set.test(slot) {}
        return slot
      }
    }
    let first = try [receive(0), receive(1), receive(2)]
    let sender = try send(1)
    // Slot 1 has arrived: it is free after its report, and slot 3 was free at once.
    while try !set.test(1) {}
    let again = try [receive(3), receive(4)]
    try expectOnAllRanks(first == [0, 1, 2] && sender == 3 && again == [1, 3])
    try expectOnAllRanks(Array(values) == [-1, 10, -1, -1, -1, -1] && set.pendingCount == 4)

    // The others are completed by sends of another set, and restarted from inside the report.
    let senders = RequestSet(capacity: 5)
    let numbers: [Int32] = [100, 101, 102, 103, 104, 105]
    var owner = [0: 0, 1: 3, 2: 2, 3: 4]
    var seen: [Int] = []
    var failure: (any Error)?
    try numbers.withUnsafeBufferPointer { numbers in
      for tag in [0, 2, 3, 4, 5] {
        _ = try senders.startSend(
          UnsafeBufferPointer(rebasing: numbers[tag...tag]), to: world.rank, tag: tag, on: world)
      }
      while set.pendingCount > 0 {
        try set.waitSome { slot in
          seen.append(owner[slot] ?? -1)
          owner[slot] = nil
          guard seen.count == 1 else { return }
          do { owner[try receive(5)] = 5 } catch { failure = error }
        }
      }
      try senders.waitAll()
    }
    try expectOnAllRanks(failure == nil && seen.sorted() == [0, 2, 3, 4, 5], "\(seen)")
    try expectOnAllRanks(Array(values) == [100, 10, 102, 103, 104, 105], "\(Array(values))")
  }

  @Test("nothing pending: tests and waits return at once")
  func empty() throws {
    let world = SharedMPI.world
    let set = RequestSet(capacity: 3)
    var count = 0
    try set.testSome { _ in count += 1 }
    try set.waitSome { _ in count += 1 }
    try set.waitAll()
    let isFree = try set.test(2)
    try expectOnAllRanks(count == 0 && isFree && set.pendingCount == 0 && world.size > 0)
  }

  @Test("a rank that does not exist and a count too large are errors that take no slot")
  func badArguments() throws {
    let world = SharedMPI.world
    let row = try RowDatatype(byteCount: 8)
    let set = RequestSet(capacity: 1)
    let errors = [
      #expect(throws: MPIError.self) {
        _ = try set.startSend(rows: nil, count: 0, row: row, to: world.size, on: world)
      },
      #expect(throws: MPIError.self) {
        _ = try set.startReceive(into: nil, count: 0, row: row, from: world.size, on: world)
      },
    ]
    let overflow = #expect(throws: MPIError.self) {
      _ = try set.startSend(rows: nil, count: 1 << 31, row: row, to: 0, on: world)
    }
    let tag = #expect(throws: MPIError.self) {
      _ = try set.startReceive(into: nil, count: 0, row: row, from: 0, tag: -1, on: world)
    }
    for error in errors {
      try expectOnAllRanks(
        error?.message.contains("MPI_ERR_RANK") == true, "\(String(describing: error))")
    }
    try expectOnAllRanks(overflow?.isCountOverflow == true && tag?.isCountOverflow == true)
    let slot = try set.startReceive(into: nil, count: 0, row: row, from: world.rank, on: world)
    try world.send([UInt8](), to: world.rank)
    try set.waitAll()
    try expectOnAllRanks(slot == 0)
  }

  @Test(
    "a message longer than its receive is a truncation error at completion",
    .enabled(if: SharedMPI.launchedRanks >= 2, "needs two ranks"))
  func truncation() throws {
    let world = SharedMPI.world
    let (left, right) = neighbours()
    let values = UnsafeMutableBufferPointer<Int32>.allocate(capacity: 4)
    defer { values.deallocate() }
    values.initialize(repeating: 0)
    for way in 0..<4 {
      let set = RequestSet(capacity: 2)
      let received = try set.startReceive(
        into: UnsafeMutableBufferPointer(rebasing: values[3...]), from: left, tag: 8, on: world)
      _ = try set.startSend(
        UnsafeBufferPointer(rebasing: values[..<3]), to: right, tag: 8, on: world)
      let error = #expect(throws: MPIError.self) {
        switch way {
        case 0: while set.pendingCount > 0 { try set.testSome { _ in } }
        case 1: while set.pendingCount > 0 { try set.waitSome { _ in } }
        case 2: while try !set.test(received) {}
        default: try set.waitAll()
        }
      }
      try expectOnAllRanks(
        error?.message.contains("MPI_ERR_TRUNCATE") == true, "\(String(describing: error))")
    }
  }

  private func neighbours() -> (left: Int, right: Int) {
    let world = SharedMPI.world
    return ((world.rank + world.size - 1) % world.size, (world.rank + 1) % world.size)
  }

  private func partitions(_ round: Int) throws -> (Partition, Partition) {
    let world = SharedMPI.world
    return (
      try Partition(counts: (0..<world.size).map { rowCount(world.rank, $0, round) }),
      try Partition(counts: (0..<world.size).map { rowCount($0, world.rank, round) })
    )
  }

  private func bytes(
    from source: Int, _ partition: Partition, _ round: Int, _ rowBytes: Int
  ) -> [UInt8] {
    (0..<partition.peerCount).flatMap { peer in
      (0..<partition[peer].count * rowBytes).map { byte(source, peer, round, $0) }
    }
  }

  private func expectedBytes(
    _ partition: Partition, _ round: Int, _ rowBytes: Int
  ) -> [UInt8] {
    let rank = SharedMPI.world.rank
    return (0..<partition.peerCount).flatMap { peer in
      (0..<partition[peer].count * rowBytes).map { byte(peer, rank, round, $0) }
    }
  }
}
