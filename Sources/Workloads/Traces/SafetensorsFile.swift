// SPDX-License-Identifier: Apache-2.0
// epsim: the safetensors container in memory.

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

  /// Where the buffer starts in the file that this was read from; 0 where it was made here.
  let dataStart: Int

  init(metadata: [String: String], tensors: [Tensor], buffer: [UInt8]) {
    self.metadata = metadata
    self.tensors = tensors
    self.buffer = buffer
    dataStart = 0
  }

  /// Parses a whole file.
  ///
  /// - Parameters:
  ///   - bytes: the file.
  ///   - name: what the error sentences call it.
  /// - Throws: ``InputError`` for anything that is not exactly one well-formed container.
  public init(bytes: [UInt8], name: String) throws {
    let layout = try bytes.withUnsafeBytes { try SafetensorsLayout(bytes: $0, name: name) }
    metadata = layout.metadata
    tensors = layout.tensors
    dataStart = layout.dataStart
    buffer = Array(bytes[layout.dataStart...])
  }

  /// Equal contents; how long the header was that they were read from does not count.
  public static func == (first: SafetensorsFile, second: SafetensorsFile) -> Bool {
    first.metadata == second.metadata && first.tensors == second.tensors
      && first.buffer == second.buffer
  }

  /// The tensor of this name, nil where there is none.
  public func tensor(_ name: String) -> Tensor? {
    tensors.first { $0.name == name }
  }
}
