// SPDX-License-Identifier: Apache-2.0
// epsim: the header of a NumPy array file, read strictly and written.

internal import MoE

/// What a `.npy` file holds and where its data starts.
///
/// Layout: `\x93NUMPY`, version, length of the header (2 bytes in version 1, 4 in 2 and 3), a Python
/// dictionary of `descr`, `fortran_order` and `shape`, then the elements.
/// Source: numpy.lib.format, "Format Version 1.0" to "3.0".
struct NPYHeader: Equatable {
  /// The first bytes of every file.
  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  /// A header of three names and a few sizes is short.
  static let maximumLength = 65_536

  private static let types: [(text: String, type: SafetensorsFile.ElementType)] = [
    ("|u1", .u8), ("|i1", .i8), ("<u2", .u16), ("<i2", .i16), ("<i4", .i32), ("<i8", .i64),
    ("<f2", .f16), ("<f4", .f32), ("<f8", .f64),
  ]

  let elementType: SafetensorsFile.ElementType
  let shape: [Int]
  /// Where the elements start.
  let dataStart: Int

  /// Reads the header of a whole file and checks that the file has the bytes that it promises.
  ///
  /// - Throws: ``InputError`` for anything but a little-endian array in C order of a known type.
  init(bytes: UnsafeRawBufferPointer, name: String) throws {
    guard bytes.count >= 10, bytes.prefix(6).elementsEqual(Self.magic) else {
      throw InputError("\(name): it does not start with \\x93NUMPY, so this is no .npy file")
    }
    let version = bytes[6]
    guard (1...3).contains(version), bytes[7] == 0 else {
      throw InputError("\(name): .npy version \(version).\(bytes[7]), accepted are 1.0, 2.0, 3.0")
    }
    let prefix = version == 1 ? 10 : 12
    guard bytes.count >= prefix else {
      throw InputError("\(name): the file ends at byte \(bytes.count), within its header")
    }
    let length =
      version == 1
      ? Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self)))
      : Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)))
    guard length <= Self.maximumLength, prefix + length <= bytes.count else {
      throw InputError(
        "\(name): the header should have \(length) bytes, accepted are at most "
          + "\(Self.maximumLength) and what the file has, \(bytes.count - prefix)")
    }
    dataStart = prefix + length
    var reader = PythonLiteral(
      bytes: Array(bytes[prefix..<dataStart]), offset: prefix, name: name)
    (elementType, shape) = try Self.entries(&reader, name: name)

    var needed = elementType.byteCount
    for size in shape {
      let (product, overflow) = needed.multipliedReportingOverflow(by: size)
      guard !overflow else { throw InputError("\(name): the shape \(shape) is impossible") }
      needed = product
    }
    guard needed == bytes.count - dataStart else {
      throw InputError(
        "\(name): shape \(shape) of type \(elementType.rawValue) needs \(needed) bytes after byte "
          + "\(dataStart), the file has \(bytes.count - dataStart)")
    }
  }

  private static func entries(_ reader: inout PythonLiteral, name: String) throws
    -> (SafetensorsFile.ElementType, [Int])
  {
    var type: SafetensorsFile.ElementType?
    var shape: [Int]?
    var isFortran: Bool?
    try reader.expect("{")
    while !reader.takes("}") {
      let key = try reader.string()
      try reader.expect(":")
      switch key {
      case "descr" where type == nil:
        let text = try reader.string()
        guard let known = types.first(where: { $0.text == text }) else {
          throw InputError(
            "\(name): descr \"\(text.excerpt)\" at byte \(reader.position), accepted are "
              + types.map(\.text).joined(separator: " "))
        }
        type = known.type
      case "fortran_order" where isFortran == nil: isFortran = try reader.boolean()
      case "shape" where shape == nil: shape = try reader.tuple()
      default:
        throw InputError(
          "\(name): \"\(key.excerpt)\" before byte \(reader.position) of the header, accepted are descr, "
            + "fortran_order and shape, each once")
      }
      if !reader.takes(",") {
        try reader.expect("}")
        break
      }
    }
    try reader.end()
    guard let type, let shape, let isFortran else {
      throw InputError("\(name): the header lacks one of descr, fortran_order and shape")
    }
    guard !isFortran else {
      throw InputError("\(name): fortran_order is True, accepted are arrays in C order")
    }
    return (type, shape)
  }

  /// The bytes before the elements, version 1.0; a multiple of 64 as NumPy writes them.
  static func encoded(_ type: SafetensorsFile.ElementType, shape: [Int]) -> [UInt8] {
    guard let text = types.first(where: { $0.type == type })?.text else {
      preconditionFailure("no .npy array of type \(type.rawValue)")
    }
    let sizes = shape.map { "\($0)" }.joined(separator: ", ") + (shape.count == 1 ? "," : "")
    var dictionary = Array(
      "{'descr': '\(text)', 'fortran_order': False, 'shape': (\(sizes)), }".utf8)
    while (10 + dictionary.count + 1) % 64 != 0 { dictionary.append(UInt8(ascii: " ")) }
    dictionary.append(UInt8(ascii: "\n"))
    let length = withUnsafeBytes(of: UInt16(dictionary.count).littleEndian) { [UInt8]($0) }
    return magic + [1, 0] + length + dictionary
  }
}
