// SPDX-License-Identifier: Apache-2.0
// epsim: JSON read piece by piece, with the byte of every error.

public import MoE

/// Reads a JSON document front to back and hands out its pieces as they come.
///
/// A trace is mostly one huge array of small numbers, which a general decoder would turn into an
/// object each. Depth is limited, so hostile nesting ends in an error and not in a full stack.
public struct JSONReader {
  /// The deepest nesting that is read.
  public static let maximumDepth = 64

  private let bytes: UnsafeRawBufferPointer
  private let name: String
  private var depth = 0
  /// The next byte to read.
  public private(set) var position: Int

  /// - Parameters:
  ///   - bytes: the file; must outlive this value.
  ///   - name: what error sentences call it.
  public init(bytes: UnsafeRawBufferPointer, position: Int = 0, name: String) {
    self.bytes = bytes
    self.position = position
    self.name = name
  }

  /// The next byte that is no white space, nil at the end.
  public mutating func peek() -> UInt8? {
    while position < bytes.count, [0x20, 0x0a, 0x0d, 0x09].contains(bytes[position]) {
      position += 1
    }
    return position < bytes.count ? bytes[position] : nil
  }

  /// Visits the values of an object by key; the body must read or ``skip()`` each.
  public mutating func object(_ body: (inout JSONReader, String) throws -> Void) throws {
    try nested("{", "}") { reader in
      let key = String(decoding: try reader.string("a key"), as: UTF8.self)
      try reader.expect(":")
      try body(&reader, key)
    }
  }

  /// Visits the elements of an array; the body must read or ``skip()`` each.
  public mutating func array(_ body: (inout JSONReader) throws -> Void) throws {
    try nested("[", "]", body)
  }

  private mutating func nested(
    _ open: Unicode.Scalar, _ end: Unicode.Scalar, _ body: (inout JSONReader) throws -> Void
  ) throws {
    try expect(open)
    guard depth < Self.maximumDepth else {
      throw wrong("JSON nested deeper than \(Self.maximumDepth)")
    }
    depth += 1
    defer { depth -= 1 }
    if peek() == UInt8(ascii: end) {
      position += 1
      return
    }
    while true {
      try body(&self)
      if peek() == UInt8(ascii: end) {
        position += 1
        return
      }
      try expect(",")
    }
  }

  /// A whole number that lies in a range.
  public mutating func integer(_ field: String, accepted: ClosedRange<Int>) throws -> Int {
    _ = peek()
    let start = position
    let isNegative = position < bytes.count && bytes[position] == UInt8(ascii: "-")
    if isNegative { position += 1 }
    let digits = position
    var value = 0
    while position < bytes.count, case let digit = Int(bytes[position]) - 48,
      (0...9).contains(digit)
    {
      // Eighteen digits always fit; more are out of any accepted range.
      value = position - digits < 18 ? value * 10 + digit : Int.max
      position += 1
    }
    let isWhole =
      position > digits
      && !(position < bytes.count && [0x2e, 0x65, 0x45].contains(bytes[position]))
    let number = isNegative ? -value : value
    guard isWhole, accepted.contains(number) else {
      position = start
      throw wrong(
        "\(field) \(excerpt()), accepted are whole numbers from \(accepted.lowerBound) to "
          + "\(accepted.upperBound),")
    }
    return number
  }

  /// The bytes of a string, escapes resolved.
  public mutating func string(_ field: String) throws -> [UInt8] {
    guard peek() == UInt8(ascii: "\"") else { throw wrong("\(field) is no string") }
    position += 1
    var start = position
    var text: [UInt8] = []
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        text += bytes[start..<position]
        position += 1
        return text
      case UInt8(ascii: "\\"):
        text += bytes[start..<position]
        try escape(into: &text)
        start = position
      case 0..<0x20: throw wrong("a control character in \(field)")
      default: position += 1
      }
    }
    throw wrong("\(field) does not end")
  }

  private mutating func escape(into text: inout [UInt8]) throws {
    let plain: [UInt8: UInt8] = [
      0x22: 0x22, 0x5c: 0x5c, 0x2f: 0x2f, 0x62: 0x08, 0x66: 0x0c, 0x6e: 0x0a, 0x72: 0x0d,
      0x74: 0x09,
    ]
    guard position + 1 < bytes.count else { throw wrong("a string does not end") }
    if let byte = plain[bytes[position + 1]] {
      text.append(byte)
      position += 2
      return
    }
    let digits = bytes[min(position + 2, bytes.count)..<min(position + 6, bytes.count)]
    guard bytes[position + 1] == UInt8(ascii: "u"), digits.count == 4,
      let code = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw wrong("an unknown escape in a string") }
    // Halves of a pair stand for one replacement character each: no key or number has them.
    text += String(Character(Unicode.Scalar(code) ?? "\u{FFFD}")).utf8
    position += 6
  }

  /// Steps over any value.
  public mutating func skip() throws {
    switch peek() {
    case UInt8(ascii: "{"): try object { reader, _ in try reader.skip() }
    case UInt8(ascii: "["): try array { reader in try reader.skip() }
    case UInt8(ascii: "\""): _ = try string("a string")
    default:
      let start = position
      while position < bytes.count, Self.isWord(bytes[position]) { position += 1 }
      guard position > start else { throw wrong("a value is missing") }
    }
  }

  /// Steps over `null` if it is the next value.
  public mutating func takesNull() -> Bool {
    guard peek() == UInt8(ascii: "n"),
      bytes[position...].prefix(4).elementsEqual("null".utf8)
    else { return false }
    position += 4
    return true
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"),
      UInt8(ascii: "."):
      true
    default: false
    }
  }

  private mutating func expect(_ character: Unicode.Scalar) throws {
    guard peek() == UInt8(ascii: character) else { throw wrong("a \(character) is missing") }
    position += 1
  }

  private func excerpt() -> String {
    let text = String(decoding: bytes[position...].prefix(24), as: UTF8.self)
    let word = text.prefix { !",]}\n\r\t ".contains($0) }
    return word.isEmpty ? "is missing" : "\"\(word.excerpt)\""
  }

  /// An error at the present place.
  public func wrong(_ what: String) -> InputError {
    let line = bytes[..<position].reduce(1) { $1 == UInt8(ascii: "\n") ? $0 + 1 : $0 }
    return InputError("\(name): \(what) at byte \(position), line \(line)")
  }
}
