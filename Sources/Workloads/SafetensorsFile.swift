// SPDX-License-Identifier: Apache-2.0
// epsim: the safetensors container, parsed with every length and offset checked.

internal import MoE

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// A safetensors container: named tensors and string metadata, little endian.
///
/// Layout: 8 bytes header length n, n bytes of JSON, then one buffer which the tensors tile without
/// gaps or overlap. Because of that rule a duplicated JSON key cannot hide a tensor: what it hides
/// leaves a gap.
/// Source: github.com/huggingface/safetensors, "Format".
public struct SafetensorsFile: Sendable, Equatable {
  /// Element types.
  public enum ElementType: String, Sendable, CaseIterable, Codable {
    case bool = "BOOL"
    case u8 = "U8"
    case i8 = "I8"
    case f8e4m3 = "F8_E4M3"
    case f8e5m2 = "F8_E5M2"
    case u16 = "U16"
    case i16 = "I16"
    case f16 = "F16"
    case bf16 = "BF16"
    case u32 = "U32"
    case i32 = "I32"
    case f32 = "F32"
    case u64 = "U64"
    case i64 = "I64"
    case f64 = "F64"

    /// Bytes of one element.
    public var byteCount: Int {
      switch self {
      case .bool, .u8, .i8, .f8e4m3, .f8e5m2: 1
      case .u16, .i16, .f16, .bf16: 2
      case .u32, .i32, .f32: 4
      case .u64, .i64, .f64: 8
      }
    }
  }

  /// One tensor: where it lies and how to read it.
  public struct Tensor: Sendable, Equatable {
    /// Its key in the header.
    public let name: String
    /// Type of its elements.
    public let elementType: ElementType
    /// Row-major, outermost first; empty for a scalar.
    public let shape: [Int]
    /// Its bytes in ``SafetensorsFile/buffer``.
    public let byteRange: Range<Int>

    /// Product of the shape.
    public var elementCount: Int { byteRange.count / elementType.byteCount }
  }

  /// The longest header that is read, the limit of the reference implementation.
  public static let maximumHeaderLength = 100_000_000

  /// The `__metadata__` entry; empty where there is none.
  public let metadata: [String: String]
  /// All tensors in the order of their bytes.
  public let tensors: [Tensor]
  /// The data after the header.
  public let buffer: [UInt8]

  init(metadata: [String: String], tensors: [Tensor], buffer: [UInt8]) {
    self.metadata = metadata
    self.tensors = tensors
    self.buffer = buffer
  }

  /// Parses a whole file.
  ///
  /// - Parameters:
  ///   - bytes: the file.
  ///   - name: what the error sentences call it.
  /// - Throws: ``InputError`` for anything that is not exactly one well-formed container.
  public init(bytes: [UInt8], name: String) throws {
    guard bytes.count >= 8 else {
      throw InputError(
        "\(name): \(bytes.count) bytes are too few for a safetensors file, it starts with 8")
    }
    let declared = bytes.withUnsafeBytes {
      UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self))
    }
    guard declared <= UInt64(Self.maximumHeaderLength) else {
      throw InputError(
        "\(name): the first 8 bytes give a header of \(declared) bytes, accepted are at most "
          + "\(Self.maximumHeaderLength), so this is no safetensors file")
    }
    let headerEnd = 8 + Int(declared)
    guard headerEnd <= bytes.count else {
      throw InputError(
        "\(name): the header should have \(declared) bytes but the file ends after "
          + "\(bytes.count - 8), so it is cut or no safetensors file")
    }
    let header = try Self.header(from: bytes[8..<headerEnd], name: name)
    metadata = header.metadata
    tensors = try Self.tensors(
      of: header, bufferLength: bytes.count - headerEnd, name: name)
    buffer = Array(bytes[headerEnd...])
  }

  /// The tensor of this name, nil where there is none.
  public func tensor(_ name: String) -> Tensor? {
    tensors.first { $0.name == name }
  }

  private static func header(from bytes: ArraySlice<UInt8>, name: String) throws
    -> SafetensorsHeader
  {
    guard bytes.first == UInt8(ascii: "{") else {
      throw InputError("\(name): the header does not start with {, so this is no safetensors file")
    }
    do {
      return try JSONDecoder().decode(SafetensorsHeader.self, from: Data(bytes))
    } catch {
      throw InputError(
        "\(name): the header is not a JSON object of tensors, each with dtype, shape and "
          + "data_offsets, and string metadata")
    }
  }

  /// Checks every entry and that the entries tile the buffer.
  private static func tensors(of header: SafetensorsHeader, bufferLength: Int, name: String) throws
    -> [Tensor]
  {
    var tensors: [Tensor] = []
    for (key, entry) in header.entries {
      guard let elementType = ElementType(rawValue: entry.dtype) else {
        throw InputError(
          "\(name): tensor \(key) has dtype \(entry.dtype), accepted are "
            + ElementType.allCases.map(\.rawValue).joined(separator: ", "))
      }
      var byteCount = elementType.byteCount
      for size in entry.shape {
        let (product, overflow) = byteCount.multipliedReportingOverflow(by: size)
        guard size >= 0, !overflow else {
          throw InputError("\(name): tensor \(key) has the impossible shape \(entry.shape)")
        }
        byteCount = product
      }
      guard entry.dataOffsets.count == 2 else {
        throw InputError(
          "\(name): tensor \(key) has \(entry.dataOffsets.count) data_offsets, 2 are needed")
      }
      let (start, end) = (entry.dataOffsets[0], entry.dataOffsets[1])
      guard start >= 0, start <= end, end <= bufferLength else {
        throw InputError(
          "\(name): tensor \(key) should lie at bytes \(start) to \(end) of the data, but there "
            + "are \(bufferLength): the file is cut or damaged")
      }
      guard end - start == byteCount else {
        throw InputError(
          "\(name): tensor \(key) of dtype \(entry.dtype) and shape \(entry.shape) needs "
            + "\(byteCount) bytes, its offsets give \(end - start)")
      }
      tensors.append(
        Tensor(name: key, elementType: elementType, shape: entry.shape, byteRange: start..<end))
    }
    tensors.sort {
      ($0.byteRange.lowerBound, $0.byteRange.upperBound, $0.name)
        < ($1.byteRange.lowerBound, $1.byteRange.upperBound, $1.name)
    }
    var covered = 0
    for tensor in tensors {
      guard tensor.byteRange.lowerBound == covered else {
        throw InputError(
          "\(name): tensor \(tensor.name) starts at byte \(tensor.byteRange.lowerBound) of the "
            + "data, expected \(covered): tensors may neither overlap nor leave gaps")
      }
      covered = tensor.byteRange.upperBound
    }
    guard covered == bufferLength else {
      throw InputError(
        "\(name): the tensors end at byte \(covered) of the data, but there are \(bufferLength)")
    }
    return tensors
  }
}

/// The JSON header: tensor entries by name, and the metadata.
struct SafetensorsHeader: Codable {
  struct Entry: Codable {
    var dtype: String
    var shape: [Int]
    var dataOffsets: [Int]

    enum CodingKeys: String, CodingKey {
      case dtype, shape
      case dataOffsets = "data_offsets"
    }
  }

  static let metadataKey = "__metadata__"

  var metadata: [String: String]
  var entries: [String: Entry]

  private struct Key: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  init(metadata: [String: String], entries: [String: Entry]) {
    self.metadata = metadata
    self.entries = entries
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    metadata = [:]
    entries = [:]
    for key in container.allKeys {
      if key.stringValue == Self.metadataKey {
        metadata = try container.decode([String: String].self, forKey: key)
      } else {
        entries[key.stringValue] = try container.decode(Entry.self, forKey: key)
      }
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    if !metadata.isEmpty {
      try container.encode(metadata, forKey: Key(stringValue: Self.metadataKey))
    }
    for (name, entry) in entries {
      try container.encode(entry, forKey: Key(stringValue: name))
    }
  }
}
