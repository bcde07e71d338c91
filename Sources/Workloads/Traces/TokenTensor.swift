// SPDX-License-Identifier: Apache-2.0
// epsim: an array of one number per token, layer and slot, somewhere in a file.

internal import MoE

/// A little-endian array [T, L, K] in bytes that may be mapped; decoded window by window.
struct TokenTensor: Sendable {
  /// Types of expert ids.
  static let idTypes: [SafetensorsFile.ElementType] = [.i16, .i32, .u8, .i64, .u16, .i8]
  /// Types of routing weights.
  static let weightTypes: [SafetensorsFile.ElementType] = [.f16, .f32, .f64]

  /// Where the bytes are.
  let bytes: FileBytes
  /// The first element in `bytes`.
  let start: Int
  /// Offset of `bytes` in the file that error sentences speak of.
  var fileStart = 0
  /// What the file calls the array.
  let field: String
  let elementType: SafetensorsFile.ElementType
  /// Layers of the array, of which the first ones may be left out.
  let layerCount: Int
  /// Leading layers that are left out.
  var skippedLayers = 0
  let topK: Int

  /// Where an element lies in the file; layers count from the first that is not left out.
  func fileOffset(token: Int, layer: Int, slot: Int) -> Int {
    fileStart + start
      + ((token * layerCount + skippedLayers + layer) * topK + slot) * elementType.byteCount
  }

  /// The expert ids of some tokens, [n, L, K]. Whether experts of these numbers exist is checked
  /// later, only what no Int32 holds is refused here.
  ///
  /// - Precondition: the tokens lie in the array, its type is one of ``idTypes``.
  func ids(_ tokens: Range<Int>, name: String) throws -> [Int32] {
    switch elementType {
    case .u8: values(tokens, as: UInt8.self) { Int32($0) }
    case .i8: values(tokens, as: Int8.self) { Int32($0) }
    case .u16: values(tokens, as: UInt16.self) { Int32($0) }
    case .i16: values(tokens, as: Int16.self) { Int32($0) }
    case .i32: values(tokens, as: Int32.self) { $0 }
    case .i64: try wideIDs(tokens, name: name)
    default: preconditionFailure("expert ids of type \(elementType.rawValue)")
    }
  }

  private func wideIDs(_ tokens: Range<Int>, name: String) throws -> [Int32] {
    let wide = values(tokens, as: Int64.self) { $0 }
    return try wide.enumerated().map { index, value in
      guard let id = Int32(exactly: value) else {
        let row = index / topK
        let perToken = layerCount - skippedLayers
        let (token, layer) = (tokens.lowerBound + row / perToken, row % perToken)
        let byte = fileOffset(token: token, layer: layer, slot: index % topK)
        throw InputError(
          "\(name): expert id \(value) at token \(token), row \(layer) of its layers, slot "
            + "\(index % topK) (\(field), byte \(byte)) is no number of an expert")
      }
      return id
    }
  }

  /// The weights of some tokens, [n, L, K].
  ///
  /// - Precondition: the tokens lie in the array, its type is one of ``weightTypes``.
  func weights(_ tokens: Range<Int>) -> [Float] {
    switch elementType {
    case .f16: values(tokens, as: UInt16.self) { Float(halfBits: $0) }
    case .f32: values(tokens, as: UInt32.self) { Float(bitPattern: $0) }
    case .f64: values(tokens, as: UInt64.self) { Float(Double(bitPattern: $0)) }
    default: preconditionFailure("weights of type \(elementType.rawValue)")
    }
  }

  private func values<Stored: FixedWidthInteger & BitwiseCopyable, Value>(
    _ tokens: Range<Int>, as type: Stored.Type, _ convert: (Stored) -> Value
  ) -> [Value] {
    let perToken = (layerCount - skippedLayers) * topK
    let size = MemoryLayout<Stored>.size
    return bytes.withBytes { bytes in
      [Value](unsafeUninitializedCapacity: tokens.count * perToken) { target, count in
        for token in tokens {
          let offset = start + (token * layerCount + skippedLayers) * topK * size
          for index in 0..<perToken {
            let stored = bytes.loadUnaligned(fromByteOffset: offset + index * size, as: type)
            (target.baseAddress! + count).initialize(to: convert(Stored(littleEndian: stored)))
            count += 1
          }
        }
      }
    }
  }
}

extension Float {
  /// Decodes an IEEE 754 half-precision number exactly.
  ///
  /// `Float16` is absent on some platforms, hence by bits: shifting exponent and fraction into
  /// place and scaling by 2^112 corrects the exponent bias, for subnormal numbers as well.
  init(halfBits bits: UInt16) {
    let sign = UInt32(bits & 0x8000) << 16
    let magnitude = UInt32(bits & 0x7fff) << 13
    if magnitude >= 0x0f80_0000 {  // infinity or NaN
      self.init(bitPattern: sign | 0x7000_0000 | magnitude)
    } else {
      let scaled = Float(bitPattern: magnitude) * Float(bitPattern: 0x7780_0000)
      self.init(bitPattern: sign | scaled.bitPattern)
    }
  }
}
