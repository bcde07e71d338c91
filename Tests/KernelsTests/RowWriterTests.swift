// SPDX-License-Identifier: Apache-2.0
// epsim: tests of rows written straight and past the caches.

import Kernels
import Testing

/// Both ways leave the same bytes, and none outside of the rows.
@Suite struct RowWriterTests {
  /// Bytes of a row: within a line, across lines, longer than a stage.
  private static let lengths = [1, 5, 63, 64, 65, 132, 1000, 8192, 10_000]

  /// What a writer leaves in memory that was all 255, the rows from `offset` on.
  private func written(
    rowBytes: Int, offset: Int, streams: Bool,
    _ write: (RowWriter, UnsafeMutableRawPointer) -> Void
  ) -> [UInt8] {
    let size = 7 * rowBytes + 256
    let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
    defer { memory.deallocate() }
    memory.initializeMemory(as: UInt8.self, repeating: 255, count: size)
    let writer: RowWriter = streams ? .streaming(RowStage(rowBytes: rowBytes)) : .direct
    write(writer, memory + offset)
    writer.finish()
    return Array(UnsafeRawBufferPointer(start: memory, count: size))
  }

  private func expectEqualBytes(
    _ write: (_ rowBytes: Int, RowWriter, UnsafeMutableRawPointer) -> Void
  ) {
    for rowBytes in Self.lengths {
      for offset in [0, 1, 16, 63, 64] {
        let ways = [false, true].map { streams in
          written(rowBytes: rowBytes, offset: offset, streams: streams) {
            write(rowBytes, $0, $1)
          }
        }
        #expect(ways[0] == ways[1], "\(rowBytes) bytes a row, \(offset) bytes off a line")
        let rows = ways[0][offset..<offset + 5 * rowBytes]
        #expect(rows.elementsEqual((0..<5 * rowBytes).map { Self.byte($0, rowBytes) }))
        #expect(ways[0][..<offset].allSatisfy { $0 == 255 })
        #expect(ways[0][(offset + 5 * rowBytes)...].allSatisfy { $0 == 255 })
      }
    }
  }

  /// Byte i of the rows.
  private static func byte(_ index: Int, _ rowBytes: Int) -> UInt8 {
    UInt8((index / rowBytes * 31 + index % rowBytes * 7) % 251)
  }

  @Test func rowsThatAreMade() {
    expectEqualBytes { rowBytes, writer, target in
      writer.write(rows: 5, rowBytes: rowBytes, into: target) { range, place in
        let first = range.lowerBound * rowBytes
        for index in 0..<range.count * rowBytes {
          place.storeBytes(
            of: Self.byte(first + index, rowBytes), toByteOffset: index, as: UInt8.self)
        }
      }
    }
  }

  @Test func rowsByIndex() {
    let order: [Int32] = [3, 0, 4, 1, 2]
    expectEqualBytes { rowBytes, writer, target in
      // Row order[i] of the source is row i of the target.
      var source = [UInt8](repeating: 0, count: 5 * rowBytes)
      for (row, index) in order.enumerated() {
        for column in 0..<rowBytes {
          source[Int(index) * rowBytes + column] = Self.byte(row * rowBytes + column, rowBytes)
        }
      }
      writer.write(rows: 5, rowBytes: rowBytes, indices: order, from: source, into: target)
    }
  }

  @Test func bytes() {
    expectEqualBytes { rowBytes, writer, target in
      let source = (0..<5 * rowBytes).map { Self.byte($0, rowBytes) }
      writer.write(byteCount: source.count, from: source, into: target)
    }
  }

  @Test func nothing() {
    let left = written(rowBytes: 64, offset: 0, streams: true) { writer, target in
      writer.write(rows: 0, rowBytes: 64, into: target) { _, _ in Issue.record("no rows") }
      writer.write(byteCount: 0, from: target, into: target)
    }
    #expect(left.allSatisfy { $0 == 255 })
  }
}
