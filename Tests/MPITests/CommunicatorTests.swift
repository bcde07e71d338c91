// SPDX-License-Identifier: Apache-2.0
// epsim: tests of communicators and their lifetimes.

import MPI
import TestSupport
import Testing

@Suite("Communicators", .serialized) @MainActor
struct CommunicatorTests {
  @Test("the world numbers its ranks from 0 without gaps")
  func world() throws {
    let world = SharedMPI.world
    let ranks = try world.allGather([world.rank])
    try expectOnAllRanks(ranks == Array(0..<world.size))
  }

  @Test("a duplicate has the same ranks in the same order")
  func duplicate() throws {
    let world = SharedMPI.world
    let copy = try world.duplicate()
    try expectOnAllRanks(copy.rank == world.rank && copy.size == world.size)
    try expectOnAllRanks(try copy.allReduce(1, .sum) == world.size)
  }

  @Test("a duplicate has a message space of its own")
  func separateMessages() throws {
    let world = SharedMPI.world
    let copy = try world.duplicate()
    // Each rank sends to its right neighbour on both, and receives in the other order.
    let right = (world.rank + 1) % world.size
    let left = (world.rank + world.size - 1) % world.size
    if world.size > 1 {
      try world.send([Int32(1)], to: right)
      try copy.send([Int32(2)], to: right)
    }
    let onCopy: [Int32] = world.size > 1 ? try copy.receive(count: 1, from: left) : [2]
    let onWorld: [Int32] = world.size > 1 ? try world.receive(count: 1, from: left) : [1]
    try expectOnAllRanks(onCopy == [2] && onWorld == [1])
  }

  @Test("split puts ranks of one color together, ordered by key")
  func split() throws {
    let world = SharedMPI.world
    let color = world.rank % 2
    guard let part = try world.split(color: color, key: world.size - world.rank) else {
      try expectOnAllRanks(false, "no communicator for color \(color)")
      return
    }
    let members = try part.allGather([world.rank])
    let expected = (0..<world.size).filter { $0 % 2 == color }.reversed()
    try expectOnAllRanks(members == Array(expected), "\(members)")
  }

  @Test("split with equal keys keeps the present order")
  func splitStable() throws {
    let world = SharedMPI.world
    var rank: Int?
    if let part = try world.split(color: 0, key: 0) { rank = part.rank }
    try expectOnAllRanks(rank == world.rank)
  }

  @Test("split without a color gives no communicator")
  func splitNone() throws {
    let world = SharedMPI.world
    var size = 0
    if let part = try world.split(color: world.rank == 0 ? 7 : nil, key: 0) { size = part.size }
    try expectOnAllRanks(size == (world.rank == 0 ? 1 : 0))
  }

  @Test("a negative color is refused before MPI sees it")
  func negativeColor() throws {
    let world = SharedMPI.world
    let error = #expect(throws: MPIError.self) { _ = try world.split(color: -1, key: 0) }
    try expectOnAllRanks(error?.isCountOverflow == true)
  }

  @Test("splitShared joins the ranks of one machine in their order")
  func shared() throws {
    let world = SharedMPI.world
    let node = try world.splitShared()
    let name = try node.broadcast(MPIEnvironment.processorName, root: 0)
    let members = try node.allGather([world.rank])
    try expectOnAllRanks(name == MPIEnvironment.processorName)
    try expectOnAllRanks(members == members.sorted() && members[node.rank] == world.rank)
  }

  @Test("communicators can be made and dropped many more times than can be alive")
  func lifetimes() throws {
    let world = SharedMPI.world
    var sum = 0
    for round in 0..<500 {
      let copy = try world.duplicate()
      if let part = try copy.split(color: round % 2, key: 0) { sum += part.size - copy.size }
    }
    try expectOnAllRanks(sum == 0)
  }

  @Test("a part outlives the communicator that it was split from")
  func outlives() throws {
    func part() throws -> Communicator {
      let copy = try SharedMPI.world.duplicate()
      return try copy.splitShared()
    }
    let node = try part()
    try expectOnAllRanks(try node.allReduce(1, .sum) == node.size)
  }
}
