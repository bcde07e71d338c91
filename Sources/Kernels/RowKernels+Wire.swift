// SPDX-License-Identifier: Apache-2.0
// epsim: rows to and from their wire formats.

internal import CKernels

extension RowKernels {
  /// Collects rows by index, encoded.
  ///
  /// target[i] = source[indices[i]] in the encoding; an index may occur more than once.
  ///
  /// Shapes: `indices` [rows], `source` [*, length], `target` [rows] of
  /// ``WireFormat/rowBytes(length:)`` each. Targets in f32 and bf16 are aligned as their values.
  public static func encode(
    rows: Int, length: Int, indices: UnsafePointer<Int32>, from source: UnsafePointer<Float>,
    wire: WireFormat, into target: UnsafeMutableRawPointer
  ) {
    switch wire {
    case .f32:
      gather(
        rows: rows, length: length, indices: indices, from: source, type: .f32, into: target,
        type: .f32)
    case .bf16:
      gather(
        rows: rows, length: length, indices: indices, from: source, type: .f32, into: target,
        type: .bf16)
    case .fp8:
      ck_encode_fp8(
        rows, length, indices, source, target.assumingMemoryBound(to: UInt8.self))
    }
  }

  /// Collects encoded rows by index, decoded.
  ///
  /// target[i] = source[indices[i]] as values of `type`; an index may occur more than once. From
  /// fp8 to bf16 the product of code and scale is rounded once more, to nearest even.
  ///
  /// Shapes: `indices` [rows], `source` [*] of ``WireFormat/rowBytes(length:)`` each, `target`
  /// [rows, length]. Sources in f32 and bf16 are aligned as their values.
  public static func decode(
    rows: Int, length: Int, indices: UnsafePointer<Int32>, from source: UnsafeRawPointer,
    wire: WireFormat, into target: UnsafeMutableRawPointer, type: ElementType
  ) {
    switch (wire, type) {
    case (.f32, _):
      gather(
        rows: rows, length: length, indices: indices, from: source, type: .f32, into: target,
        type: type)
    case (.bf16, _):
      gather(
        rows: rows, length: length, indices: indices, from: source, type: .bf16, into: target,
        type: type)
    case (.fp8, .f32):
      ck_decode_fp8_f32(
        rows, length, indices, source.assumingMemoryBound(to: UInt8.self),
        target.assumingMemoryBound(to: Float.self))
    case (.fp8, .bf16):
      ck_decode_fp8_bf16(
        rows, length, indices, source.assumingMemoryBound(to: UInt8.self),
        target.assumingMemoryBound(to: UInt16.self))
    }
  }

  /// Collects rows by index as encoding and decoding leave them, bit for bit, in one pass.
  ///
  /// Shapes: `indices` [rows], `source` [*, length], `target` [rows, length].
  public static func gather(
    rows: Int, length: Int, indices: UnsafePointer<Int32>, from source: UnsafePointer<Float>,
    through wire: WireFormat, into target: UnsafeMutableRawPointer, type: ElementType
  ) {
    switch (wire, type) {
    // A value that bf16 has already rounded is not rounded again.
    case (.f32, _), (.bf16, .bf16):
      gather(
        rows: rows, length: length, indices: indices, from: source, type: .f32, into: target,
        type: type)
    case (.bf16, .f32):
      ck_through_bf16_f32(
        rows, length, indices, source, target.assumingMemoryBound(to: Float.self))
    case (.fp8, .f32):
      ck_through_fp8_f32(
        rows, length, indices, source, target.assumingMemoryBound(to: Float.self))
    case (.fp8, .bf16):
      ck_through_fp8_bf16(
        rows, length, indices, source, target.assumingMemoryBound(to: UInt16.self))
    }
  }
}
