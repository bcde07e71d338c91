// SPDX-License-Identifier: Apache-2.0
// epsim: the encodings in which token rows travel.

/// How a row is encoded for its way between ranks.
public enum WireFormat: String, Sendable, CaseIterable {
  /// IEEE single precision: the row as it is.
  case f32
  /// Each value rounded to bf16: a relative error of at most 2^-8.
  case bf16
  /// One byte per value, E4M3, and one Float scale per block of ``fp8BlockLength`` values.
  ///
  /// E4M3 has 4 bits of exponent with bias 7, 3 of fraction, a largest value of 448, no infinity
  /// and the NaN 0x7F and 0xFF. A row is its codes, then the scales, the last one of a block that
  /// may be shorter. Value = code * scale, with
  ///
  /// - scale = (largest finite magnitude of the block) / 448, at least 2^-126, the least normal
  ///   Float, so that 1 / scale is finite;
  /// - code = value * (1 / scale) in Float, rounded to nearest, ties to even, at most 448.
  ///
  /// A zero keeps its sign, as does NaN; an infinity becomes NaN, so that an overflow stays visible
  /// and does not flatten its block. Of a finite value the error is
  ///
  /// - at most 2^-4 of the value where that is 2^-6 * scale or more;
  /// - at most 2^-10 * scale where it is less;
  /// - anywhere at most 16 * scale, which is 1/28 of the largest magnitude unless that is below
  ///   448 * 2^-126;
  ///
  /// but for the rounding of Float (a factor of 1 + 2^-17, and 2^-149).
  /// Source: OCP 8-bit Floating Point Specification (OFP8), revision 1.0; the block of 128 is that
  /// of DeepSeek-V3 (2024), section 3.3.2.
  case fp8

  /// The format that carries values of this type as they are.
  public init(_ type: ElementType) {
    self =
      switch type {
      case .f32: .f32
      case .bf16: .bf16
      }
  }

  /// Values that share a scale in ``fp8``.
  public static let fp8BlockLength = 128

  /// Bytes of an encoded row of `length` values.
  public func rowBytes(length: Int) -> Int {
    switch self {
    case .f32: return 4 * length
    case .bf16: return 2 * length
    case .fp8:
      let blocks = length / Self.fp8BlockLength + (length % Self.fp8BlockLength > 0 ? 1 : 0)
      return length + 4 * blocks
    }
  }
}
