// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the exchanges between all ranks.

import MPI
import TestSupport
import Testing

/// The counts of these tests: uneven, with zeros, and known on every rank.
private func count(from source: Int, to destination: Int) -> Int {
  (source * 3 + destination * 5 + source * destination) % 4
}

/// Element `index` of the part that `source` sends to `destination`.
private func value(_ source: Int, _ destination: Int, _ index: Int) -> Int32 {
  Int32(source * 10_000 + destination * 100 + index)
}

@Suite("All-to-all", .serialized) @MainActor
struct AllToAllTests {
  @Test("allToAll gives block r of every rank to rank r")
  func blocks() throws {
    let world = SharedMPI.world
    let sent = (0..<world.size * 3).map { value(world.rank, $0 / 3, $0 % 3) }
    let received = try world.allToAll(sent)
    let expected = (0..<world.size * 3).map { value($0 / 3, world.rank, $0 % 3) }
    try expectOnAllRanks(received == expected, "\(received)")
  }

  @Test("allToAll of no elements returns none")
  func emptyBlocks() throws {
    try expectOnAllRanks(SharedMPI.world.allToAll([Double]()).isEmpty)
  }

  @Test("exchangeCounts tells every rank what it will receive")
  func counts() throws {
    let world = SharedMPI.world
    let send = try Partition(counts: (0..<world.size).map { count(from: world.rank, to: $0) })
    var receive = Partition(peerCount: world.size)
    try world.exchangeCounts(send, into: &receive)
    let expected = try Partition(
      counts: (0..<world.size).map { count(from: $0, to: world.rank) })
    try expectOnAllRanks(receive == expected, "\(receive.counts)")
  }

  @Test("allToAllV moves uneven parts, zeros included")
  func unevenParts() throws {
    try checkElements { count(from: $0, to: $1) }
  }

  @Test("allToAllV works where one rank neither sends nor receives")
  func emptyRank() throws {
    let last = SharedMPI.world.size - 1
    try checkElements { $0 == last || $1 == last ? 0 : 2 }
  }

  @Test("allToAllV works where nobody sends anything")
  func nothing() throws {
    try checkElements { _, _ in 0 }
  }

  @Test("allToAllV works where all send to rank 0 only")
  func incast() throws {
    try checkElements { $1 == 0 ? $0 + 1 : 0 }
  }

  @Test("allToAllV of rows counts in rows and keeps their bytes", arguments: [1, 12, 2048])
  func rows(byteCount: Int) throws {
    let world = SharedMPI.world
    let row = try RowDatatype(byteCount: byteCount)
    let (send, receive) = try partitions { count(from: $0, to: $1) }
    func bytes(_ source: Int, _ destination: Int, rows: Int) -> [UInt8] {
      (0..<rows * byteCount).map { UInt8(truncatingIfNeeded: $0 &* 7 + source * 50 + destination) }
    }
    let sent = (0..<world.size).flatMap { bytes(world.rank, $0, rows: send[$0].count) }
    var received = [UInt8](repeating: 0, count: receive.total * byteCount)
    try received.withUnsafeMutableBytes { received in
      try sent.withUnsafeBytes { sent in
        try world.allToAllV(
          rows: sent.baseAddress, send, into: received.baseAddress, receive, row: row)
      }
    }
    let expected = (0..<world.size).flatMap { bytes($0, world.rank, rows: receive[$0].count) }
    try expectOnAllRanks(received == expected)
  }

  @Test("allToAll of rows gives block r of every rank to rank r", arguments: [0, 1, 5])
  func blocksOfRows(rowsPerPeer: Int) throws {
    let world = SharedMPI.world
    let byteCount = 3000
    let row = try RowDatatype(byteCount: byteCount)
    func bytes(_ source: Int, _ destination: Int) -> [UInt8] {
      (0..<rowsPerPeer * byteCount).map {
        UInt8(truncatingIfNeeded: $0 &* 7 &+ source &* 50 &+ destination)
      }
    }
    let sent = (0..<world.size).flatMap { bytes(world.rank, $0) }
    var received = [UInt8](repeating: 0, count: sent.count)
    try received.withUnsafeMutableBytes { received in
      try sent.withUnsafeBytes { sent in
        try world.allToAll(
          rows: sent.baseAddress, into: received.baseAddress, rowsPerPeer: rowsPerPeer, row: row)
      }
    }
    try expectOnAllRanks(received == (0..<world.size).flatMap { bytes($0, world.rank) })
    let error = #expect(throws: MPIError.self) {
      try world.allToAll(rows: nil, into: nil, rowsPerPeer: 1 << 31, row: row)
    }
    try expectOnAllRanks(error?.isCountOverflow == true)
  }

  /// Both partitions of this rank for an exchange in which rank a sends `count(a, b)` to rank b.
  private func partitions(_ count: (Int, Int) -> Int) throws -> (Partition, Partition) {
    let world = SharedMPI.world
    let send = try Partition(counts: (0..<world.size).map { count(world.rank, $0) })
    var receive = Partition(peerCount: world.size)
    try world.exchangeCounts(send, into: &receive)
    return (send, receive)
  }

  private func checkElements(_ count: (Int, Int) -> Int) throws {
    let world = SharedMPI.world
    let peers = 0..<world.size
    let (send, receive) = try partitions(count)
    let sent = peers.flatMap { peer in
      (0..<send[peer].count).map { value(world.rank, peer, $0) }
    }
    var received = [Int32](repeating: -1, count: receive.total)
    try received.withUnsafeMutableBufferPointer { received in
      try sent.withUnsafeBufferPointer { sent in
        try world.allToAllV(sent, send, into: received, receive)
      }
    }
    let expected = peers.flatMap { peer in
      (0..<count(peer, world.rank)).map { value(peer, world.rank, $0) }
    }
    try expectOnAllRanks(received == expected, "\(received)")
  }
}
