// SPDX-License-Identifier: Apache-2.0
// epsim: tests of rows as MPI elements.

import MPI
import TestSupport
import Testing

@Suite("Row datatype", .serialized) @MainActor
struct RowDatatypeTests {
  @Test("a row knows its bytes")
  func byteCount() throws {
    let world = SharedMPI.world
    let row = try RowDatatype(byteCount: 4096)
    try expectOnAllRanks(row.byteCount == 4096 && world.size > 0)
  }

  @Test("a row of 2^31 bytes is refused, one byte less is accepted")
  func limit() throws {
    let world = SharedMPI.world
    let error = #expect(throws: MPIError.self) { _ = try RowDatatype(byteCount: 1 << 31) }
    try expectOnAllRanks(error?.isCountOverflow == true && world.size > 0)
    let longest = try RowDatatype(byteCount: Int(Int32.max))
    try expectOnAllRanks(longest.byteCount == Int(Int32.max))
  }

  @Test("rows can be made and dropped without end")
  func lifetimes() throws {
    let world = SharedMPI.world
    var total = 0
    for byteCount in 1...20_000 { total += try RowDatatype(byteCount: byteCount).byteCount }
    try expectOnAllRanks(total == 20_000 * 20_001 / 2 && world.size > 0)
  }
}
