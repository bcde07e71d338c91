// SPDX-License-Identifier: Apache-2.0
// epsim: tests of partitions and of the narrowing of counts.

import MPI
import Testing

@Suite("Partition")
struct PartitionTests {
  @Test("displacements are the exclusive prefix sum of the counts")
  func prefixSum() throws {
    let partition = try Partition(counts: [3, 0, 2, 5, 0])
    #expect(partition.counts == [3, 0, 2, 5, 0])
    #expect(partition.displacements == [0, 3, 3, 5, 10])
    #expect(partition.total == 10)
    #expect(partition.peerCount == 5)
    #expect((0..<5).map { partition[$0] } == [0..<3, 3..<3, 3..<5, 5..<10, 10..<10])
  }

  @Test("an empty partition has empty parts")
  func empty() throws {
    let partition = Partition(peerCount: 3)
    #expect(partition == (try Partition(counts: [0, 0, 0])))
    #expect(partition.total == 0)
  }

  @Test("setCounts replaces all parts, from an array and from memory")
  func setCounts() throws {
    var partition = try Partition(counts: [9, 9, 9])
    try partition.setCounts([1, 2, 3])
    #expect(partition == (try Partition(counts: [1, 2, 3])))
    try [Int32(4), 0, 6].withUnsafeBufferPointer { try partition.setCounts($0) }
    #expect(partition == (try Partition(counts: [4, 0, 6])))
  }

  @Test("the last element that a C int can address is accepted")
  func limit() throws {
    let partition = try Partition(counts: [Int(Int32.max) - 1, 1, 0])
    #expect(partition.total == Int(Int32.max))
    #expect(partition.displacements == [0, Int32.max - 1, Int32.max])
  }

  @Test(
    "counts and sums beyond a C int, and negative counts, are refused with the number",
    arguments: [
      ([1 << 31], 1 << 31), ([5, -1], -1), ([Int(Int32.max), 1], 1 << 31), ([.max], .max),
    ])
  func overflow(counts: [Int], named: Int) {
    let error = #expect(throws: MPIError.self) { try Partition(counts: counts) }
    #expect(error?.isCountOverflow == true)
    #expect(error?.message == "count \(named) is not in 0 ... 2147483647")
  }

  @Test("counts for another number of peers are a programmer error")
  func wrongPeers() async {
    await #expect(processExitsWith: .failure) {
      var partition = Partition(peerCount: 2)
      try partition.setCounts([1, 2, 3])
    }
  }
}
