// SPDX-License-Identifier: Apache-2.0
// epsim: tests of memory that ranks share, and of flags in it.

import MPI
import TestSupport
import Testing

/// Bytes of the segment of a rank: unequal, none for some.
private func byteCount(_ rank: Int, _ round: Int) -> Int {
  (rank + round) % 3 == 0 ? 0 : (rank * 70_001 + round * 4095) % 200_000 + 1
}

@Suite("Shared memory", .serialized) @MainActor
struct SharedMemoryTests {
  @Test("every rank sees the segment of every rank, unequal and empty ones", arguments: 0..<4)
  func segments(round: Int) throws {
    let node = try SharedMPI.world.splitShared()
    let memory = try SharedMemory(byteCount: byteCount(node.rank, round), on: node)
    let segments = (0..<node.size).map { memory.segment(ofRank: $0) }
    try expectOnAllRanks(memory.rank == node.rank && memory.segmentCount == node.size)
    try expectOnAllRanks(segments.map(\.count) == (0..<node.size).map { byteCount($0, round) })
    try expectOnAllRanks(segments.allSatisfy { Int(bitPattern: $0.baseAddress) % 4096 == 0 })
    try expectOnAllRanks(segments.allSatisfy { $0.allSatisfy { $0 == 0 } })
    // Each rank writes a byte in size-th of every segment, each reads all of them.
    for (owner, segment) in segments.enumerated() {
      for index in stride(from: node.rank, to: segment.count, by: node.size) {
        segment[index] = UInt8(truncatingIfNeeded: index &* 5 &+ owner)
      }
    }
    try node.barrier()
    let isRight = segments.enumerated().allSatisfy { owner, segment in
      segment.indices.allSatisfy {
        segment[$0] == UInt8(truncatingIfNeeded: $0 &* 5 &+ owner)
      }
    }
    try expectOnAllRanks(isRight)
  }

  @Test("no rank needs a byte")
  func nothing() throws {
    let node = try SharedMPI.world.splitShared()
    let memory = try SharedMemory(byteCount: 0, on: node)
    try expectOnAllRanks((0..<node.size).allSatisfy { memory.segment(ofRank: $0).isEmpty })
  }

  @Test("parts of the world have memory of their own")
  func parts() throws {
    let world = SharedMPI.world
    guard let part = try world.split(color: world.rank % 2, key: -world.rank + world.size) else {
      try expectOnAllRanks(false)
      return
    }
    let memory = try SharedMemory(byteCount: 8 * (part.rank + 1), on: part)
    memory.segment(ofRank: part.rank).storeBytes(of: world.rank + 1, as: Int.self)
    try part.barrier()
    let found = (0..<part.size).map { memory.segment(ofRank: $0).load(as: Int.self) - 1 }
    let expected = (0..<world.size).filter { $0 % 2 == world.rank % 2 }.reversed()
    try expectOnAllRanks(found == Array(expected), "\(found)")
  }

  @Test("memory that cannot be there is refused on every rank", arguments: [1 << 50, Int.max])
  func tooMuch(byteCount: Int) throws {
    let node = try SharedMPI.world.splitShared()
    // A single rank's window is not a file, and its size is for the library to judge.
    guard byteCount == Int.max || node.size > 1 else { return }
    let error = #expect(throws: MPIError.self) {
      _ = try SharedMemory(byteCount: node.rank == 0 ? byteCount : 10, on: node)
    }
    try expectOnAllRanks(
      error?.function == "MPI_Win_allocate_shared" && error?.message.contains(" fit ") == true,
      "\(String(describing: error))")
    // The ranks still agree.
    let memory = try SharedMemory(byteCount: 64, on: node)
    try expectOnAllRanks(memory.segment(ofRank: node.size - 1).count == 64)
  }

  @Test("memory can be made and dropped again and again")
  func lifetimes() throws {
    let node = try SharedMPI.world.splitShared()
    var sum = 0
    for round in 0..<20 {
      let memory = try SharedMemory(byteCount: 1 << 16, on: node)
      memory.segment(ofRank: node.rank)[round] = 1
      sum += Int(memory.segment(ofRank: node.rank)[round])
    }
    try expectOnAllRanks(sum == 20)
  }

  @Test("what was written before a flag was raised is there after it was seen")
  func pingPong() throws {
    let node = try SharedMPI.world.splitShared()
    let words = 500
    let memory = try SharedMemory(byteCount: SharedFlag.byteCount + words * 8, on: node)
    let left = (node.rank + node.size - 1) % node.size
    let mine = memory.segment(ofRank: node.rank)
    let theirs = memory.segment(ofRank: left)
    let (own, other) = (SharedFlag(in: mine, at: 0), SharedFlag(in: theirs, at: 0))
    var wrong = 0
    // A token goes around: rank 0 starts each round, the others wait for their left neighbour.
    for round in 1...300 {
      func write() {
        for word in 0..<words {
          mine.storeBytes(
            of: round * 1000 + word, toByteOffset: SharedFlag.byteCount + word * 8, as: Int.self)
        }
        own.store(Int64(round))
      }
      if node.rank == 0 { write() }
      other.wait(until: Int64(round))
      for word in 0..<words {
        let value = theirs.load(fromByteOffset: SharedFlag.byteCount + word * 8, as: Int.self)
        wrong += value == round * 1000 + word ? 0 : 1
      }
      if node.rank != 0 { write() }
    }
    try expectOnAllRanks(wrong == 0 && own.load() == 300, "\(wrong) words")
  }

  @Test("waiting polls until the value is reached or the poll throws")
  func polling() throws {
    struct TimeIsUp: Error {}
    let node = try SharedMPI.world.splitShared()
    let memory = try SharedMemory(byteCount: 2 * SharedFlag.byteCount, on: node)
    let flag = SharedFlag(in: memory.segment(ofRank: node.rank), at: SharedFlag.byteCount)
    var polls = 0
    flag.store(4)
    flag.wait(until: 4) { polls += 1 }
    flag.wait(until: 3) { polls += 1 }
    try expectOnAllRanks(polls == 0)
    flag.wait(until: 5) {
      polls += 1
      if polls == 200 { flag.store(7) }
    }
    try expectOnAllRanks(polls == 200 && flag.load() == 7)
    #expect(throws: TimeIsUp.self) {
      try flag.wait(until: 8) { () throws(TimeIsUp) in
        polls += 1
        if polls == 300 { throw TimeIsUp() }
      }
    }
    try expectOnAllRanks(polls == 300 && flag.load() == 7)
  }

  @Test("a flag off its line or past the segment is a programmer error")
  func misplaced() async {
    await #expect(processExitsWith: .failure) {
      let line = UnsafeMutableRawBufferPointer.allocate(byteCount: 128, alignment: 64)
      _ = SharedFlag(in: line, at: 8)
    }
    await #expect(processExitsWith: .failure) {
      let line = UnsafeMutableRawBufferPointer.allocate(byteCount: 127, alignment: 64)
      _ = SharedFlag(in: line, at: 64)
    }
    await #expect(processExitsWith: .success) {
      let line = UnsafeMutableRawBufferPointer.allocate(byteCount: 128, alignment: 64)
      SharedFlag(in: line, at: 64).store(1)
    }
  }
}
