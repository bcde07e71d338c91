// SPDX-License-Identifier: Apache-2.0
// epsim: a JSON document that is asked for its keys before any value is read.

internal import MoE

/// The keys of a JSON object and where their values stand, or a list without keys.
///
/// The document is checked to its end first, so a file that was cut off is refused whatever part
/// of it is read.
public struct JSONFields {
  /// The keys of the object in the order of the file; empty for a list.
  public let keys: [String]
  /// Whether the document is a list.
  public let isList: Bool
  private let bytes: [UInt8]
  private let name: String
  private let positionOfKey: [String: Int]

  /// - Parameter name: what error sentences call the file.
  /// - Throws: ``InputError`` where this is not one JSON object or list, or gives a key twice.
  public init(_ bytes: [UInt8], name: String) throws {
    var keys: [String] = []
    var positions: [String: Int] = [:]
    isList = try bytes.withUnsafeBytes { bytes in
      var reader = JSONReader(bytes: bytes, name: name)
      let isList = reader.peek() == UInt8(ascii: "[")
      if isList {
        try reader.skip()
      } else {
        try reader.object { reader, key in
          guard positions.updateValue(reader.position, forKey: key) == nil else {
            throw reader.wrong("the key \"\(key.excerpt)\" stands twice,")
          }
          keys.append(key)
          try reader.skip()
        }
      }
      guard reader.peek() == nil else { throw reader.wrong("there is more after the document,") }
      return isList
    }
    (self.bytes, self.name, self.keys, positionOfKey) = (bytes, name, keys, positions)
  }

  /// Whether the object has a key.
  public func has(_ key: String) -> Bool { positionOfKey[key] != nil }

  /// Reads the value of a key, or the whole list where the key is nil.
  ///
  /// - Throws: ``InputError`` that names a key which is missing, and what `body` throws.
  public func read<Result>(
    _ key: String?, _ body: (inout JSONReader) throws -> Result
  ) throws -> Result {
    guard let position = key == nil ? 0 : positionOfKey[key!] else {
      throw InputError("\(name): the key \(key!) is missing")
    }
    return try bytes.withUnsafeBytes { bytes in
      var reader = JSONReader(bytes: bytes, position: position, name: name)
      return try body(&reader)
    }
  }
}
