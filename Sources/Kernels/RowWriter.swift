// SPDX-License-Identifier: Apache-2.0
// epsim: rows on their way into memory that this core or another one reads.

internal import CKernels

/// How rows are written: straight, or past the caches for a reader on another core.
///
/// A store into memory that another core has in its cache fetches the line from there, and the
/// reader fetches it back. Rows for another core are therefore made piece by piece in a buffer that
/// stays in this core's cache, and streamed from there in whole lines. Between cores that share a
/// cache this costs a little for rows that would have fitted into it; between others it is several
/// times as fast (docs/exchange.md).
public enum RowWriter {
  /// For this core.
  case direct
  /// For another core.
  case streaming(RowStage)

  /// Writes rows that `make` makes, a range of them at a time.
  public func write(
    rows: Int, rowBytes: Int, into target: UnsafeMutableRawPointer,
    make: (_ rows: Range<Int>, _ place: UnsafeMutableRawPointer) -> Void
  ) {
    switch self {
    case .direct: make(0..<rows, target)
    case .streaming(let stage):
      precondition(rowBytes <= stage.byteCount, "a stage holds at least a row")
      let perPiece = stage.byteCount / max(1, rowBytes)
      var first = 0
      while first < rows {
        let piece = first..<min(first + perPiece, rows)
        make(piece, stage.memory)
        ck_stream(piece.count * rowBytes, stage.memory, target + first * rowBytes)
        first = piece.upperBound
      }
    }
  }

  /// Writes rows that lie ready, by index: target[i] = source[indices[i]].
  public func write(
    rows: Int, rowBytes: Int, indices: UnsafePointer<Int32>, from source: UnsafeRawPointer,
    into target: UnsafeMutableRawPointer
  ) {
    switch self {
    case .direct:
      RowKernels.gather(
        rows: rows, byteCount: rowBytes, indices: indices, from: source, into: target)
    case .streaming:
      for row in 0..<rows {
        ck_stream(rowBytes, source + Int(indices[row]) * rowBytes, target + row * rowBytes)
      }
    }
  }

  /// Writes bytes that lie ready.
  public func write(
    byteCount: Int, from source: UnsafeRawPointer, into target: UnsafeMutableRawPointer
  ) {
    switch self {
    case .direct: target.copyMemory(from: source, byteCount: byteCount)
    case .streaming: ck_stream(byteCount, source, target)
    }
  }

  /// Makes what was written visible to whoever sees a flag that is stored next, with release order.
  public func finish() {
    guard case .streaming = self else { return }
    ck_stream_fence()
  }
}

/// Memory in which rows are made before they are streamed.
public final class RowStage {
  fileprivate let memory: UnsafeMutableRawPointer
  fileprivate let byteCount: Int

  /// - Parameter rowBytes: bytes of the longest row.
  public init(rowBytes: Int) {
    // A quarter of a usual first level of cache.
    byteCount = max(8 << 10, rowBytes)
    memory = .allocate(byteCount: byteCount, alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
  }

  deinit { memory.deallocate() }
}
