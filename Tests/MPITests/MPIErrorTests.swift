// SPDX-License-Identifier: Apache-2.0
// epsim: tests of typed errors and of counts that do not fit.

import MPI
import TestSupport
import Testing

@Suite("MPI errors", .serialized) @MainActor
struct MPIErrorTests {
  @Test("a send to a rank that does not exist names the function and says why")
  func unknownRank() throws {
    let world = SharedMPI.world
    let error = #expect(throws: MPIError.self) { try world.send([1], to: world.size) }
    try expectOnAllRanks(
      error?.function == "MPI_Send" && error?.message.contains("MPI_ERR_RANK") == true)
    try expectOnAllRanks(error?.description.hasPrefix("MPI_Send: MPI_ERR_RANK") == true)
    try expectOnAllRanks(error.map { $0.code != 0 && $0.errorClass != 0 } == true)
    try expectOnAllRanks(error?.isCountOverflow == false)
    try expectOnAllRanks(error?.message.contains("\n") == false, "a message is one line")
  }

  @Test("errors are returned by duplicated and split communicators too")
  func derived() throws {
    let world = SharedMPI.world
    let copy = try world.duplicate()
    let node = try copy.splitShared()
    let part = try node.split(color: 0, key: 0)
    let onCopy = #expect(throws: MPIError.self) { try copy.send([1], to: copy.size) }
    let onNode = #expect(throws: MPIError.self) { try node.send([1], to: node.size) }
    var onPart: MPIError?
    do throws(MPIError) { try part?.send([1], to: node.size) } catch { onPart = error }
    // Codes and texts name the call in MPICH; the class is that of the standard.
    try expectOnAllRanks(
      onCopy != nil && onCopy?.errorClass == onNode?.errorClass
        && onCopy?.errorClass == onPart?.errorClass)
  }

  @Test("a rank after an error can go on with correct calls")
  func goesOn() throws {
    let world = SharedMPI.world
    #expect(throws: MPIError.self) { try world.send([1], to: world.size) }
    try expectOnAllRanks(try world.allReduce(1, .sum) == world.size)
  }

  @Test("counts beyond a C int are refused before memory is touched")
  func countOverflow() throws {
    let world = SharedMPI.world
    var byte: UInt8 = 0
    try withUnsafeMutableBytes(of: &byte) { memory in
      // Claims 2^31 elements where there is one: nothing may look at them.
      let bytes = UnsafeMutableRawBufferPointer(start: memory.baseAddress, count: 1 << 31)
      let floats = UnsafeMutableBufferPointer<Float>(
        start: UnsafeMutablePointer(bitPattern: 64), count: 1 << 31)
      let sending = #expect(throws: MPIError.self) {
        try world.send(UnsafeRawBufferPointer(bytes), to: 0)
      }
      let receiving = #expect(throws: MPIError.self) {
        _ = try world.receive(into: bytes, from: 0)
      }
      let reducing = #expect(throws: MPIError.self) { try world.allReduce(floats, .sum) }
      for (error, function) in [
        (sending, "MPI_Send"), (receiving, "MPI_Recv"), (reducing, "MPI_Allreduce"),
      ] {
        try expectOnAllRanks(error?.isCountOverflow == true && error?.function == function)
        try expectOnAllRanks(error?.message == "count 2147483648 is not in 0 ... 2147483647")
      }
    }
  }
}
