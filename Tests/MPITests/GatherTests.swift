// SPDX-License-Identifier: Apache-2.0
// epsim: tests of gather and allgather, with equal and with uneven counts.

import MPI
import TestSupport
import Testing

/// What `rank` contributes where counts differ: none, one, two, ... elements.
private func uneven(_ rank: Int) -> [Int64] {
  (0..<(rank * 2) % 5).map { Int64(rank * 100 + $0) }
}

@Suite("Gather", .serialized) @MainActor
struct GatherTests {
  @Test("gather gives the root all elements in rank order and the others none")
  func gather() throws {
    let world = SharedMPI.world
    for root in 0..<world.size {
      let all = try world.gather([Float(world.rank), 0.5], root: root)
      let expected = (0..<world.size).flatMap { rank -> [Float] in [Float(rank), 0.5] }
      try expectOnAllRanks(all == (world.rank == root ? expected : []), "\(all)")
    }
  }

  @Test("gatherV gives the root the elements of each rank, empty ranks included")
  func gatherV() throws {
    let world = SharedMPI.world
    for root in 0..<world.size {
      let all = try world.gatherV(uneven(world.rank), root: root)
      let expected = (0..<world.size).map(uneven)
      try expectOnAllRanks(all == (world.rank == root ? expected : []), "\(all)")
    }
  }

  @Test("gatherV works where no rank has anything")
  func gatherNothing() throws {
    let world = SharedMPI.world
    let all = try world.gatherV([UInt8](), root: 0)
    try expectOnAllRanks(all.count == (world.rank == 0 ? world.size : 0))
    try expectOnAllRanks(all.allSatisfy { $0.isEmpty })
  }

  @Test("allGather gives every rank all elements in rank order")
  func allGather() throws {
    let world = SharedMPI.world
    let all = try world.allGather([Int8(world.rank), -1])
    try expectOnAllRanks(
      all == (0..<world.size).flatMap { rank -> [Int8] in [Int8(rank), -1] }, "\(all)")
    try expectOnAllRanks(try world.allGather([Double]()).isEmpty)
  }

  @Test("allGatherV gives every rank the elements of each, empty ranks included")
  func allGatherV() throws {
    let world = SharedMPI.world
    let all = try world.allGatherV(uneven(world.rank))
    try expectOnAllRanks(all == (0..<world.size).map(uneven), "\(all)")
  }

  @Test("allGatherV with known counts fills the caller's memory")
  func allGatherVInto() throws {
    let world = SharedMPI.world
    let partition = try Partition(counts: (0..<world.size).map { uneven($0).count })
    // Two elements more than needed: they must stay as they are.
    var result = [Int64](repeating: -7, count: partition.total + 2)
    try result.withUnsafeMutableBufferPointer { result in
      try uneven(world.rank).withUnsafeBufferPointer { own in
        try world.allGatherV(own, into: result, partition)
      }
    }
    try expectOnAllRanks(result == (0..<world.size).flatMap(uneven) + [-7, -7], "\(result)")
  }

  @Test("allGatherV of rows counts in rows and keeps their bytes", arguments: [1, 12, 70_000])
  func allGatherVRows(byteCount: Int) throws {
    let world = SharedMPI.world
    let row = try RowDatatype(byteCount: byteCount)
    let partition = try Partition(counts: (0..<world.size).map { uneven($0).count })
    func bytes(_ rank: Int) -> [UInt8] {
      (0..<partition[rank].count * byteCount).map {
        UInt8(truncatingIfNeeded: $0 &* 3 &+ rank &* 40)
      }
    }
    var result = [UInt8](repeating: 255, count: partition.total * byteCount)
    try result.withUnsafeMutableBytes { result in
      try bytes(world.rank).withUnsafeBytes { own in
        try world.allGatherV(rows: own.baseAddress, into: result.baseAddress, partition, row: row)
      }
    }
    try expectOnAllRanks(result == (0..<world.size).flatMap(bytes))
  }
}
