// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the exchange of counts, and of what it finds before MPI moves rows.

import ExpertParallel
import MPI
import TestSupport
import Testing

@Suite("Count exchange", .serialized) @MainActor
struct CountExchangeTests {
  /// What an exchange said on this rank; nil where nobody objected.
  private func outcome(
    _ exchange: CountExchange, rowsPerSlot: [Int32], rowsPerRank: [Int32], layer: Int = 7
  ) throws -> String? {
    do {
      try rowsPerSlot.withUnsafeBufferPointer {
        try exchange.exchange(
          rowsPerSlot: $0, layer: layer, on: SharedMPI.world
        ) { Announcement(rows: rowsPerRank[$0]) }
      }
      return nil
    } catch let error as ExchangeDisagreement {
      return error.description
    }
  }

  @Test("every rank learns the rows of each of its slots from each source")
  func counts() throws {
    let world = SharedMPI.world
    let ranks = world.size
    // Rank r has r slots: the first has none.
    let offsets = (0...ranks).map { $0 * ($0 - 1) / 2 }
    let exchange = try CountExchange(slotOffsets: offsets, rank: world.rank)
    for round in 0..<3 {
      func rows(_ source: Int, _ slot: Int) -> Int32 { Int32(100 * source + slot + round) }
      let rowsPerSlot = (0..<offsets[ranks]).map { rows(world.rank, $0) }
      let rowsPerRank = (0..<ranks).map { peer in
        rowsPerSlot[offsets[peer]..<offsets[peer + 1]].reduce(0, +)
      }
      let objection = try outcome(exchange, rowsPerSlot: rowsPerSlot, rowsPerRank: rowsPerRank)
      let expected = (0..<ranks).flatMap { source in
        (offsets[world.rank]..<offsets[world.rank + 1]).map { rows(source, $0) }
      }
      try expectOnAllRanks(
        objection == nil && Array(exchange.receivedPerSlot) == expected
          && exchange.localSlotCount == world.rank, objection ?? "")
    }
  }

  @Test("rows that do not add up to the counts are found by the receiver, before they move")
  func disagreement() throws {
    let world = SharedMPI.world
    guard world.size > 1 else { return }
    let exchange = try CountExchange(slotOffsets: Array(0...world.size), rank: world.rank)
    let rowsPerSlot = [Int32](repeating: 5, count: world.size)
    var rowsPerRank = rowsPerSlot
    // Rank 1 is about to send rank 0 one row less than its counts say.
    if world.rank == 1 { rowsPerRank[0] = 4 }
    let objection = try outcome(exchange, rowsPerSlot: rowsPerSlot, rowsPerRank: rowsPerRank)
    let expected =
      world.rank == 0
      ? "rank 1 is about to send 4 rows to rank 0, which expects 5 by the counts of its slots "
        + "(exchange 1, layer 7)" : nil
    try expectOnAllRanks(objection == expected, objection ?? "no objection")
  }

  @Test("a rank in another layer or exchange is found")
  func outOfStep() throws {
    let world = SharedMPI.world
    guard world.size > 1 else { return }
    let exchange = try CountExchange(slotOffsets: Array(0...world.size), rank: world.rank)
    let rows = [Int32](repeating: 1, count: world.size)
    let objection = try outcome(
      exchange, rowsPerSlot: rows, rowsPerRank: rows, layer: world.rank == 1 ? 9 : 7)
    let isFound = world.rank == 0 ? objection?.contains("rank 1 is in exchange 1, layer 9") : true
    try expectOnAllRanks(isFound == true, objection ?? "no objection")
  }

  @Test("counts travel to partners only where these are few, and tell the same")
  func sparse() throws {
    let world = SharedMPI.world
    let ranks = world.size
    let offsets = (0...ranks).map { 2 * $0 }
    let dense = try CountExchange(slotOffsets: offsets, rank: world.rank)
    let sparse = try CountExchange(slotOffsets: offsets, rank: world.rank, sparseFrom: 1)
    for round in 0..<12 {
      // Now and then one rank has many partners, and none in the round before.
      let partners = round % 4 == 3 ? ranks - 1 : round % 4 == 2 ? 0 : 1
      var rows = [Int32](repeating: 0, count: 2 * ranks)
      for distance in 0...partners where distance > 0 || round % 2 == 0 {
        let peer = (world.rank + distance * (1 + round % 3)) % ranks
        rows[2 * peer + round % 2] = Int32(100 * world.rank + 10 * distance + round + 1)
      }
      func announce(_ peer: Int) -> Announcement {
        Announcement(rows: rows[2 * peer] + rows[2 * peer + 1])
      }
      try rows.withUnsafeBufferPointer { rows in
        for exchange in [dense, sparse] {
          try exchange.exchange(
            rowsPerSlot: rows, layer: round, on: world, announce: announce)
        }
      }
      try expectOnAllRanks(
        Array(dense.receivedPerSlot) == Array(sparse.receivedPerSlot)
          && Array(dense.rowsPerSource) == Array(sparse.rowsPerSource)
          && Array(dense.unitsPerSource) == Array(sparse.unitsPerSource), "round \(round)")
    }
  }

  @Test("a negative count is refused")
  func negative() throws {
    let world = SharedMPI.world
    let exchange = try CountExchange(slotOffsets: Array(0...world.size), rank: world.rank)
    let rows = [Int32](repeating: -3, count: world.size)
    let objection = try outcome(exchange, rowsPerSlot: rows, rowsPerRank: rows)
    try expectOnAllRanks(objection?.contains("announces -3 rows") == true, objection ?? "")
  }
}
