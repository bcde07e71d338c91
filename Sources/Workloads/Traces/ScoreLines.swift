// SPDX-License-Identifier: Apache-2.0
// epsim: the lines of an ESFT score file.

internal import MoE

/// Reads the lines of one layer: ids, two tabs, weights.
struct ScoreLines {
  private let bytes: UnsafeRawBufferPointer
  private let topK: Int
  private let name: String
  private var position = 0
  private var line = 1

  /// Tokens of each line.
  private(set) var lengths: [Int] = []
  /// [T, K] expert ids.
  private(set) var ids: [Int32] = []
  /// [T, K] weights.
  private(set) var weights: [Float] = []

  init(bytes: UnsafeRawBufferPointer, topK: Int, name: String) {
    self.bytes = bytes
    self.topK = topK
    self.name = name
  }

  /// Reads all lines.
  ///
  /// - Throws: ``InputError`` that names line, column and byte.
  mutating func read() throws {
    while position < bytes.count {
      let idStart = ids.count
      while true {
        ids.append(try expertID(column: ids.count - idStart + 1))
        guard takes("\t") else { throw wrong("a tab is missing after id \(ids.count - idStart)") }
        if takes("\t") { break }
      }
      let count = ids.count - idStart
      guard count.isMultiple(of: topK) else {
        throw wrong("\(count) expert ids before the two tabs are no multiple of top-k \(topK),")
      }
      for column in 1...count {
        weights.append(try weight(column: column))
        guard column == count || takes("\t") else {
          throw wrong("weight \(column) of \(count) is not followed by a tab")
        }
      }
      lengths.append(count / topK)
      _ = takes("\r")
      guard takes("\n") || position == bytes.count else {
        throw wrong("the line goes on after \(count) weights")
      }
      line += 1
    }
    guard !lengths.isEmpty else { throw InputError("\(name): there are no lines in it") }
  }

  private mutating func takes(_ character: Unicode.Scalar) -> Bool {
    guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func expertID(column: Int) throws -> Int32 {
    let start = position
    var value: Int32 = 0
    while position < bytes.count, case let digit = Int32(bytes[position]) - 48,
      (0...9).contains(digit), position - start < 6
    {
      value = value * 10 + digit
      position += 1
    }
    guard position > start, Int(value) < RoutingTrace.maximumExpertCount else {
      throw wrong(
        "expert id \(excerpt(start)) in column \(column), accepted are whole numbers from 0 to "
          + "\(RoutingTrace.maximumExpertCount - 1),")
    }
    return value
  }

  private mutating func weight(column: Int) throws -> Float {
    let start = position
    while position < bytes.count, bytes[position] > 0x20 { position += 1 }
    // Longer than any number that a program prints; keeps the text below short.
    guard position - start <= 64,
      let value = Self.number(UnsafeRawBufferPointer(rebasing: bytes[start..<position])),
      value >= 0, value < .infinity
    else {
      throw wrong(
        "weight \(excerpt(start)) in column \(column), accepted are finite numbers of at least 0,")
    }
    return value
  }

  /// A decimal number. Up to 15 digits and no exponent, as scores have, take a fast way.
  static func number(_ text: UnsafeRawBufferPointer) -> Float? {
    var (mantissa, scale, digits) = (0, 1.0, 0)
    var isFraction = false
    for byte in text {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9") where digits < 15:
        mantissa = mantissa * 10 + Int(byte - UInt8(ascii: "0"))
        digits += 1
        if isFraction { scale *= 10 }
      case UInt8(ascii: ".") where !isFraction: isFraction = true
      default:
        guard text.allSatisfy({ $0 < 0x80 && $0 != UInt8(ascii: "x") }) else { return nil }
        return Float(String(decoding: text, as: UTF8.self))
      }
    }
    return digits > 0 ? Float(Double(mantissa) / scale) : nil
  }

  private func excerpt(_ start: Int) -> String {
    let end = min(start + 24, bytes.count)
    let text = bytes[start..<end].prefix { $0 > 0x20 && $0 < 0x7f }
    return "\"\(String(decoding: text, as: UTF8.self))\""
  }

  private func wrong(_ what: String) -> InputError {
    InputError("\(name): \(what) at line \(line), byte \(position)")
  }
}
