// SPDX-License-Identifier: Apache-2.0
// epsim: making a safetensors container and writing it.

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

extension SafetensorsFile {
  /// A tensor to be stored.
  public struct Content: Sendable {
    /// Its key in the header.
    public var name: String
    /// Type of its elements.
    public var elementType: ElementType
    /// Row-major, outermost first.
    public var shape: [Int]
    /// The elements, little endian.
    public var bytes: [UInt8]

    /// Shape [n]-like content from numbers of a fixed width.
    public init<Value: FixedWidthInteger & BitwiseCopyable>(
      name: String, elementType: ElementType, shape: [Int], values: [Value]
    ) {
      self.name = name
      self.elementType = elementType
      self.shape = shape
      bytes = values.map(\.littleEndian).withUnsafeBytes { [UInt8]($0) }
    }
  }

  /// Lays out the contents in the given order.
  ///
  /// The data starts at a multiple of 8; a content whose size is not a multiple of 8 should stand
  /// last, so that the others stay aligned.
  /// - Precondition: names differ, and each content has the bytes that its shape needs.
  public init(contents: [Content], metadata: [String: String]) {
    var tensors: [Tensor] = []
    var buffer: [UInt8] = []
    for content in contents {
      let needed = content.shape.reduce(content.elementType.byteCount, *)
      precondition(
        content.bytes.count == needed,
        "tensor \(content.name) has \(content.bytes.count) bytes, its shape needs \(needed)")
      let start = buffer.count
      buffer += content.bytes
      tensors.append(
        Tensor(
          name: content.name, elementType: content.elementType, shape: content.shape,
          byteRange: start..<buffer.count))
    }
    let names = Set(tensors.map(\.name)).count
    precondition(names == tensors.count, "\(tensors.count) tensors with \(names) names")
    self.init(metadata: metadata, tensors: tensors, buffer: buffer)
  }

  /// The bytes of the whole file, the same for equal contents.
  public func encoded() throws -> [UInt8] {
    try Self.encodedHeader(tensors: tensors, metadata: metadata) + buffer
  }

  /// The bytes before the data: 8 for the length, then JSON, padded to a multiple of 8.
  static func encodedHeader(tensors: [Tensor], metadata: [String: String]) throws -> [UInt8] {
    var header = SafetensorsHeader(metadata: metadata, entries: [:])
    for tensor in tensors {
      header.entries[tensor.name] = .init(
        dtype: tensor.elementType.rawValue, shape: tensor.shape,
        dataOffsets: [tensor.byteRange.lowerBound, tensor.byteRange.upperBound])
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var json = [UInt8](try encoder.encode(header))
    while json.count % 8 != 0 { json.append(UInt8(ascii: " ")) }
    return withUnsafeBytes(of: UInt64(json.count).littleEndian) { [UInt8]($0) } + json
  }

  /// Writes the file; a reader never sees half of it.
  ///
  /// - Throws: ``InputError`` when the path cannot be written to.
  public func write(toPath path: String) throws {
    try OutputFile.write(encoded(), toPath: path)
  }
}
