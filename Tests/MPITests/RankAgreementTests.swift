// SPDX-License-Identifier: Apache-2.0
// epsim: tests of agreement on errors.

import MPI
import TestSupport
import Testing

private struct Complaint: Error, CustomStringConvertible {
  let description: String
}

@Suite("Rank agreement", .serialized) @MainActor
struct RankAgreementTests {
  @Test("every rank gets its own result where no rank fails")
  func success() throws {
    let world = SharedMPI.world
    let result = try world.agree { world.rank * 10 }
    try expectOnAllRanks(result == world.rank * 10)
  }

  @Test("every rank throws the same error where one rank fails")
  func oneRank() throws {
    let world = SharedMPI.world
    for failing in 0..<world.size {
      let error = #expect(throws: AgreedError.self) {
        try world.agree {
          if world.rank == failing { throw Complaint(description: "rank \(failing): no file 'é'") }
        }
      }
      try expectOnAllRanks(
        error?.rank == failing && error?.message == "rank \(failing): no file 'é'"
          && error?.category == 1 && error?.description == error?.message,
        "\(String(describing: error))")
    }
  }

  @Test("the lowest failing rank is heard where several fail")
  func severalRanks() throws {
    let world = SharedMPI.world
    let lowest = world.size / 2
    let error = #expect(throws: AgreedError.self) {
      try world.agree(classify: { _ in world.rank + 2 }) {
        guard world.rank < lowest else { throw Complaint(description: "from \(world.rank)") }
      }
    }
    try expectOnAllRanks(
      error?.rank == lowest && error?.message == "from \(lowest)" && error?.category == lowest + 2)
  }

  @Test("a message of any length arrives, an empty one too")
  func messages() throws {
    let world = SharedMPI.world
    for length in [0, 100_000] {
      let text = String(repeating: "x", count: length)
      let error = #expect(throws: AgreedError.self) {
        try world.agree { throw Complaint(description: text) }
      }
      try expectOnAllRanks(error?.rank == 0 && error?.message == text)
    }
  }

  @Test("ranks can go on together after an agreed error")
  func goesOn() throws {
    let world = SharedMPI.world
    try? world.agree { throw Complaint(description: "first") }
    try expectOnAllRanks(try world.agree { 5 } == 5)
    try expectOnAllRanks(try world.allReduce(1, .sum) == world.size)
  }
}
