// SPDX-License-Identifier: Apache-2.0
// epsim: the few Python literals that stand in the header of a NumPy file.

internal import MoE

/// Reads strings, booleans and tuples of sizes, one after the other.
struct PythonLiteral {
  private let bytes: [UInt8]
  private var index = 0
  private let offset: Int
  private let name: String

  /// - Parameters:
  ///   - offset: where `bytes` stands in the file, for error sentences.
  ///   - name: what error sentences call the file.
  init(bytes: [UInt8], offset: Int, name: String) {
    self.bytes = bytes
    self.offset = offset
    self.name = name
  }

  /// Where the next character stands in the file.
  var position: Int { offset + index }

  /// Steps over a character if it is the next one.
  mutating func takes(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard index < bytes.count, bytes[index] == UInt8(ascii: character) else { return false }
    index += 1
    return true
  }

  mutating func expect(_ character: Unicode.Scalar) throws {
    guard takes(character) else { throw wrong("a \(character) is missing") }
  }

  /// A string in single or double quotes, without escapes.
  mutating func string() throws -> String {
    skipSpace()
    guard index < bytes.count, [UInt8(ascii: "'"), UInt8(ascii: "\"")].contains(bytes[index]) else {
      throw wrong("a string is missing")
    }
    let quote = bytes[index]
    let start = index + 1
    guard let end = bytes[start...].firstIndex(of: quote) else {
      throw wrong("a string does not end")
    }
    index = end + 1
    return String(decoding: bytes[start..<end].prefix(64), as: UTF8.self)
  }

  mutating func boolean() throws -> Bool {
    skipSpace()
    for (text, value) in [("True", true), ("False", false)]
    where bytes[index...].starts(with: text.utf8) {
      index += text.utf8.count
      return value
    }
    throw wrong("True or False is missing")
  }

  /// Sizes in parentheses, such as `(3, 4)`, `(3,)` and `()`.
  mutating func tuple() throws -> [Int] {
    try expect("(")
    var sizes: [Int] = []
    while !takes(")") {
      sizes.append(try size())
      if !takes(",") {
        try expect(")")
        // A number in parentheses alone is no tuple in Python.
        guard sizes.count > 1 else { throw wrong("the shape is no tuple") }
        break
      }
    }
    return sizes
  }

  private mutating func size() throws -> Int {
    skipSpace()
    let digits = bytes[index...].prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    guard let size = Int(String(decoding: digits, as: UTF8.self)) else {
      throw wrong("a size from 0 to \(Int.max) is missing")
    }
    index += digits.count
    return size
  }

  /// Checks that nothing but space is left.
  mutating func end() throws {
    skipSpace()
    guard index == bytes.count else { throw wrong("the header goes on after its dictionary") }
  }

  private mutating func skipSpace() {
    while index < bytes.count, [0x20, 0x0a, 0x0d, 0x09].contains(bytes[index]) { index += 1 }
  }

  private func wrong(_ what: String) -> InputError {
    InputError("\(name): \(what) at byte \(position) of the .npy header")
  }
}
