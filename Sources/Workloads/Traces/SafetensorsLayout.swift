// SPDX-License-Identifier: Apache-2.0
// epsim: the header of a safetensors container, with every length and offset checked.

internal import MoE

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// What a safetensors container holds and where: read from its header, the data untouched.
struct SafetensorsLayout {
  /// The `__metadata__` entry; empty where there is none.
  let metadata: [String: String]
  /// All tensors in the order of their bytes.
  let tensors: [SafetensorsFile.Tensor]
  /// Where the data starts in the file.
  let dataStart: Int

  /// Reads the header of a whole file.
  ///
  /// - Throws: ``InputError`` for anything that is not exactly one well-formed container.
  init(bytes: UnsafeRawBufferPointer, name: String) throws {
    guard bytes.count >= 8 else {
      throw InputError(
        "\(name): \(bytes.count) bytes are too few for a safetensors file, it starts with 8")
    }
    let declared = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard declared <= UInt64(SafetensorsFile.maximumHeaderLength) else {
      throw InputError(
        "\(name): the first 8 bytes give a header of \(declared) bytes, accepted are at most "
          + "\(SafetensorsFile.maximumHeaderLength), so this is no safetensors file")
    }
    dataStart = 8 + Int(declared)
    guard dataStart <= bytes.count else {
      throw InputError(
        "\(name): the header should have \(declared) bytes but the file ends after "
          + "\(bytes.count - 8), so it is cut or no safetensors file")
    }
    let header = try Self.header(
      from: UnsafeRawBufferPointer(rebasing: bytes[8..<dataStart]), name: name)
    metadata = header.metadata
    tensors = try Self.tensors(of: header, bufferLength: bytes.count - dataStart, name: name)
  }

  private static func header(from bytes: UnsafeRawBufferPointer, name: String) throws
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
    -> [SafetensorsFile.Tensor]
  {
    var tensors: [SafetensorsFile.Tensor] = []
    for (key, entry) in header.entries {
      guard let elementType = SafetensorsFile.ElementType(rawValue: entry.dtype) else {
        throw InputError(
          "\(name): tensor \(key.excerpt) has dtype \(entry.dtype.excerpt), accepted are "
            + SafetensorsFile.ElementType.allCases.map(\.rawValue).joined(separator: ", "))
      }
      var byteCount = elementType.byteCount
      for size in entry.shape {
        let (product, overflow) = byteCount.multipliedReportingOverflow(by: size)
        guard size >= 0, !overflow else {
          throw InputError("\(name): tensor \(key.excerpt) has the impossible shape \(entry.shape)")
        }
        byteCount = product
      }
      guard entry.dataOffsets.count == 2 else {
        throw InputError(
          "\(name): tensor \(key.excerpt) has \(entry.dataOffsets.count) data_offsets, 2 are needed"
        )
      }
      let (start, end) = (entry.dataOffsets[0], entry.dataOffsets[1])
      guard start >= 0, start <= end, end <= bufferLength else {
        throw InputError(
          "\(name): tensor \(key.excerpt) should lie at bytes \(start) to \(end) of the data, but there "
            + "are \(bufferLength): the file is cut or damaged")
      }
      guard end - start == byteCount else {
        throw InputError(
          "\(name): tensor \(key.excerpt) of dtype \(entry.dtype.excerpt) and shape \(entry.shape) needs "
            + "\(byteCount) bytes, its offsets give \(end - start)")
      }
      tensors.append(
        SafetensorsFile.Tensor(
          name: key, elementType: elementType, shape: entry.shape, byteRange: start..<end))
    }
    tensors.sort {
      ($0.byteRange.lowerBound, $0.byteRange.upperBound, $0.name)
        < ($1.byteRange.lowerBound, $1.byteRange.upperBound, $1.name)
    }
    var covered = 0
    for tensor in tensors {
      guard tensor.byteRange.lowerBound == covered else {
        throw InputError(
          "\(name): tensor \(tensor.name.excerpt) starts at byte \(tensor.byteRange.lowerBound) of the "
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
