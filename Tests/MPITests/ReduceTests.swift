// SPDX-License-Identifier: Apache-2.0
// epsim: tests of reductions.

import MPI
import TestSupport
import Testing

@Suite("Reduce", .serialized) @MainActor
struct ReduceTests {
  @Test("sum, min and max combine element by element on every rank")
  func arithmetic() throws {
    let world = SharedMPI.world
    let ranks = 0..<world.size
    let own = [Int64(world.rank), -Int64(world.rank), 1 << 40]
    let sum = ranks.reduce(0, +)
    try expectOnAllRanks(
      try world.allReduce(own, .sum) == [Int64(sum), -Int64(sum), Int64(world.size) << 40])
    try expectOnAllRanks(
      try world.allReduce(own, .min) == [0, -Int64(world.size - 1), 1 << 40])
    try expectOnAllRanks(try world.allReduce(own, .max) == [Int64(world.size - 1), 0, 1 << 40])
  }

  @Test("every element type reduces with its own arithmetic")
  func elementTypes() throws {
    let world = SharedMPI.world
    func check<Element: MPIElement & Numeric>(_ one: Element, _ size: Element) throws {
      try expectOnAllRanks(try world.allReduce(one, .sum) == size, "\(Element.self)")
    }
    let size = world.size
    try check(Float(1), Float(size))
    try check(Double(1), Double(size))
    try check(Int(-1), -size)
    try check(Int8(-1), Int8(-size))
    try check(Int16(-1), Int16(-size))
    try check(Int32(-1), Int32(-size))
    try check(Int64(-1), Int64(-size))
    try check(UInt8(63), UInt8(63 * size))
    try check(UInt16(1), UInt16(size))
    try check(UInt32(1), UInt32(size))
    try check(UInt64(1) << 60, UInt64(size) << 60)
  }

  @Test("logical operations take integers and booleans")
  func logical() throws {
    let world = SharedMPI.world
    let onlyMine = (0..<world.size).map { $0 == world.rank }
    try expectOnAllRanks(try world.allReduce(onlyMine, .logicalOr).allSatisfy { $0 })
    try expectOnAllRanks(
      try world.allReduce(onlyMine, .logicalAnd).allSatisfy { $0 == (world.size == 1) })
    try expectOnAllRanks(try world.allReduce(Int32(5), .logicalAnd) != 0)
    try expectOnAllRanks(try world.allReduce(Int32(0), .logicalOr) == 0)
  }

  @Test("reduce gives the result to the root and nothing to the others")
  func toRoot() throws {
    let world = SharedMPI.world
    for root in 0..<world.size {
      let result = try world.reduce([Double(world.rank), 2], .max, root: root)
      try expectOnAllRanks(
        result == (world.rank == root ? [Double(world.size - 1), 2] : []), "\(result)")
    }
  }

  @Test("no elements reduce to none")
  func empty() throws {
    let world = SharedMPI.world
    try expectOnAllRanks(try world.allReduce([Float](), .sum).isEmpty)
    try expectOnAllRanks(try world.reduce([Float](), .sum, root: 0).isEmpty)
  }

  @Test("a buffer is reduced in place")
  func inPlace() throws {
    let world = SharedMPI.world
    var values = (0..<5000).map { Int32($0) }
    try values.withUnsafeMutableBufferPointer { try world.allReduce($0, .sum) }
    try expectOnAllRanks(values == (0..<5000).map { Int32($0 * world.size) })
  }

  @Test("an operation that the type does not have is a typed error")
  func wrongOperation() throws {
    let world = SharedMPI.world
    let errors = [
      #expect(throws: MPIError.self) { _ = try world.allReduce([Float(1)], .logicalAnd) },
      #expect(throws: MPIError.self) { _ = try world.allReduce(true, .sum) },
      #expect(throws: MPIError.self) { _ = try world.reduce([1.0], .logicalOr, root: 0) },
    ]
    for error in errors {
      try expectOnAllRanks(
        error?.message.contains("MPI_ERR_OP") == true, "\(String(describing: error))")
    }
  }

  @Test("reduceScatter leaves each rank its part of the sum, empty parts included")
  func reduceScatter() throws {
    let world = SharedMPI.world
    for round in 0..<5 {
      let counts = (0..<world.size).map { max(0, ($0 * 7 + round * 11) % 23 - 5) * round }
      let partition = try Partition(counts: counts)
      let own = (0..<partition.total).map { Float(world.rank * 3 + $0 % 100) }
      var result = [Float](repeating: -1, count: counts[world.rank])
      try result.withUnsafeMutableBufferPointer { result in
        try own.withUnsafeBufferPointer { own in
          try world.reduceScatter(own, into: result, partition, .sum)
        }
      }
      let expected = try world.allReduce(own, .sum)[partition[world.rank]]
      try expectOnAllRanks(result == Array(expected), "round \(round)")
    }
  }

  @Test("reduceScatter refuses an operation that the type does not have")
  func reduceScatterOperation() throws {
    let world = SharedMPI.world
    let error = #expect(throws: MPIError.self) {
      try world.reduceScatter(
        UnsafeBufferPointer<Double>(start: nil, count: 0),
        into: UnsafeMutableBufferPointer(start: nil, count: 0),
        Partition(peerCount: world.size), .logicalOr)
    }
    try expectOnAllRanks(error?.message.contains("MPI_ERR_OP") == true)
  }
}
