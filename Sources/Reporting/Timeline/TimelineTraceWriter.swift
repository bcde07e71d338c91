// SPDX-License-Identifier: Apache-2.0
// epsim: writes events of the Trace Event Format as text, to memory or to a file.

internal import Foundation
internal import MoE
internal import Workloads

/// Writes the text of a trace, event by event.
///
/// Events are written by hand: a trace has a million of them, and an encoder takes a hundred times
/// longer.
final class TraceEventWriter {
  private static let pieceSize = 1 << 20

  private var bytes: [UInt8] = []
  private var isFirst = true
  private let sink: ([UInt8]) throws -> Void

  /// - Parameter sink: takes the text in pieces.
  init(sink: @escaping ([UInt8]) throws -> Void) {
    self.sink = sink
    bytes.reserveCapacity(Self.pieceSize + 4096)
  }

  /// Begins the trace.
  func begin() throws { put("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n") }

  /// Ends the trace. `otherData` is a JSON object.
  func end(otherData: Data) throws {
    put("\n],\"otherData\":")
    bytes += otherData
    put("}\n")
    try sink(bytes)
    bytes.removeAll()
  }

  /// A string as JSON, quotes included.
  static func quoted(_ string: String) -> [UInt8] {
    let digits = Array("0123456789abcdef".utf8)
    var bytes = [UInt8(ascii: "\"")]
    for byte in string.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
      // Perfetto refuses DEL too, which JSON allows.
      case 0..<0x20, 0x7F:
        bytes += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      default: bytes.append(byte)
      }
    }
    return bytes + [UInt8(ascii: "\"")]
  }

  /// Begins an event of a rank; ``finish()`` ends it. `name` and `category` are quoted.
  ///
  /// Processes and threads are numbered from 1: 0 means the idle process to Perfetto, which merges
  /// or hides it.
  func event(
    _ phase: StaticString, name: [UInt8], category: [UInt8]? = nil, at time: Int64? = nil,
    node: Int, rank: Int
  ) {
    put(isFirst ? "{\"ph\":\"" : ",\n{\"ph\":\"")
    isFirst = false
    put(phase)
    put("\",\"pid\":")
    put(node + 1)
    put(",\"tid\":")
    put(rank + 1)
    if let time {
      put(",\"ts\":")
      put(microseconds: time)
    }
    put(",\"name\":")
    bytes += name
    if let category {
      put(",\"cat\":")
      bytes += category
    }
  }

  /// Ends an event.
  func finish() throws {
    put("}")
    guard bytes.count >= Self.pieceSize else { return }
    try sink(bytes)
    bytes.removeAll(keepingCapacity: true)
  }

  func put(_ text: StaticString) {
    bytes.append(
      contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  func put(quoted text: [UInt8]) { bytes += text }

  func put(_ number: some FixedWidthInteger & SignedInteger) {
    if number < 0 { bytes.append(UInt8(ascii: "-")) }
    put(digits: UInt64(number.magnitude), atLeast: 1)
  }

  /// Nanoseconds as microseconds with three decimals.
  func put(microseconds time: Int64) {
    precondition(time >= 0, "a time of \(time) ns")
    let (whole, rest) = UInt64(time).quotientAndRemainder(dividingBy: 1000)
    put(digits: whole, atLeast: 1)
    bytes.append(UInt8(ascii: "."))
    put(digits: rest, atLeast: 3)
  }

  private func put(digits number: UInt64, atLeast count: Int) {
    let start = bytes.count
    var rest = number
    repeat {
      bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
      rest /= 10
    } while rest > 0 || bytes.count - start < count
    bytes[start...].reverse()
  }
}

extension TraceEventWriter {
  /// Writes a file beside `path` and renames it to `path` once it is whole.
  ///
  /// - Throws: ``InputError`` where the file cannot be written, and what `body` throws; the file
  ///   beside is gone then.
  static func withFile(_ path: String, _ body: (TraceEventWriter) throws -> Void) throws {
    let problem = InputError(
      "\(path): the file cannot be written, check that its folder is writable")
    let target = URL(fileURLWithPath: try OutputFile.requireWritable(path))
    let temporary = target.deletingLastPathComponent()
      .appendingPathComponent(".\(UUID().uuidString).partial").path
    guard let file = fopen(temporary, "wx") else { throw problem }
    do {
      do {
        try body(
          TraceEventWriter { piece in
            guard fwrite(piece, 1, piece.count, file) == piece.count else { throw problem }
          })
      } catch {
        fclose(file)
        throw error
      }
      // Closing writes what is buffered: a full disk may show here first.
      guard fclose(file) == 0, rename(temporary, target.path) == 0 else { throw problem }
    } catch {
      unlink(temporary)
      throw error
    }
  }
}
