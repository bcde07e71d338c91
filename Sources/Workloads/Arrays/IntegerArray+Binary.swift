// SPDX-License-Identifier: Apache-2.0
// epsim: NumPy files and tensors of safetensors as arrays of whole numbers.

internal import MoE

extension IntegerArray {
  /// Whether a file is a NumPy array.
  public static func isNPY(_ bytes: [UInt8]) -> Bool { bytes.starts(with: NPYHeader.magic) }

  /// Whether a file starts like a safetensors container.
  public static func isSafetensors(_ bytes: [UInt8]) -> Bool {
    bytes.count > 8 && bytes[8] == UInt8(ascii: "{") && bytes[4..<8].allSatisfy { $0 == 0 }
  }

  /// Reads a `.npy` file.
  ///
  /// - Throws: `InputError` for another shape or type, and for numbers that are not accepted.
  public init(npy bytes: [UInt8], form: Form, name: String) throws {
    let header = try bytes.withUnsafeBytes { try NPYHeader(bytes: $0, name: name) }
    try self.init(
      bytes[header.dataStart...], type: header.elementType, shape: header.shape, form: form,
      name: name)
  }

  /// Reads a tensor of a container.
  ///
  /// - Parameter names: what the tensor may be called; the first that is there is taken, or the
  ///   only tensor whatever its name.
  /// - Throws: `InputError` that says which tensors there are.
  public init(
    _ file: SafetensorsFile, names: [String], form: Form, name: String
  ) throws {
    let only = file.tensors.count == 1 ? file.tensors[0] : nil
    guard let tensor = names.lazy.compactMap({ file.tensor($0) }).first ?? only else {
      let found = file.tensors.prefix(8).map(\.name.excerpt).joined(separator: ", ")
      throw InputError(
        "\(name): the tensors are \(found.isEmpty ? "none" : found), needed is "
          + names.joined(separator: " or "))
    }
    try self.init(
      file.buffer[tensor.byteRange], type: tensor.elementType, shape: tensor.shape, form: form,
      name: "\(name): tensor \(tensor.name.excerpt)")
  }

  /// The bytes of a `.npy` file of 64-bit numbers, the type that PyTorch gives to indices.
  public func npy() -> [UInt8] {
    NPYHeader.encoded(.i64, shape: shape) + values.map(Int64.init).littleEndianBytes()
  }

  private init(
    _ bytes: ArraySlice<UInt8>, type: SafetensorsFile.ElementType, shape: [Int], form: Form,
    name: String
  ) throws {
    let values = try bytes.withUnsafeBytes { bytes in
      try StoredNumbers(bytes: bytes, shape: shape, accepted: form.accepted, name: name).read(type)
    }
    try self.init(shape: shape, values: values, form: form, name: name)
  }
}

/// Numbers of any type in the bytes of a file.
private struct StoredNumbers {
  let bytes: UnsafeRawBufferPointer
  let shape: [Int]
  let accepted: ClosedRange<Int>
  let name: String

  func read(_ type: SafetensorsFile.ElementType) throws -> [Int] {
    switch type {
    case .u8: try integers(UInt8.self)
    case .i8: try integers(Int8.self)
    case .u16: try integers(UInt16.self)
    case .i16: try integers(Int16.self)
    case .u32: try integers(UInt32.self)
    case .i32: try integers(Int32.self)
    case .u64: try integers(UInt64.self)
    case .i64: try integers(Int64.self)
    case .f16: try floats(UInt16.self) { Double(Float(halfBits: $0)) }
    case .bf16: try floats(UInt16.self) { Double(Float(bitPattern: UInt32($0) << 16)) }
    case .f32: try floats(UInt32.self) { Double(Float(bitPattern: $0)) }
    case .f64: try floats(UInt64.self) { Double(bitPattern: $0) }
    case .bool, .f8e4m3, .f8e5m2:
      throw InputError(
        "\(name) is of type \(type.rawValue), accepted are whole numbers and floats of 16 to 64 "
          + "bits")
    }
  }

  private func integers<Value: FixedWidthInteger & BitwiseCopyable>(
    _ type: Value.Type
  ) throws -> [Int] {
    try values(type) { ($0, Int(exactly: $0)) }
  }

  private func floats<Bits: FixedWidthInteger & BitwiseCopyable>(
    _ type: Bits.Type, _ decode: (Bits) -> Double
  ) throws -> [Int] {
    try values(type) { bits in
      let number = decode(bits)
      return (number, Int(exactly: number))
    }
  }

  private func values<Stored: FixedWidthInteger & BitwiseCopyable, Number>(
    _ type: Stored.Type, _ number: (Stored) -> (Number, Int?)
  ) throws -> [Int] {
    let size = MemoryLayout<Stored>.size
    return try (0..<bytes.count / size).map { index in
      let stored = bytes.loadUnaligned(fromByteOffset: index * size, as: Stored.self)
      let (number, whole) = number(Stored(littleEndian: stored))
      guard let whole, accepted.contains(whole) else {
        throw InputError(
          "\(name): \(number) at \(place(index)), accepted are whole numbers from "
            + "\(accepted.lowerBound) to \(accepted.upperBound)")
      }
      return whole
    }
  }

  /// The index in every size: `[2, 0]`.
  private func place(_ index: Int) -> [Int] {
    var rest = index
    var place: [Int] = []
    for size in shape.reversed() {
      place.insert(rest % size, at: 0)
      rest /= size
    }
    return place
  }
}
