// SPDX-License-Identifier: Apache-2.0
// epsim: how a token row is encoded on its way.

/// The encoding of a token row on its way to the experts.
public enum WireFormat: String, Sendable, CaseIterable {
  case f32, bf16, fp8

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

  /// Bytes of a row of `length` values.
  public func rowBytes(length: Int) -> Int {
    switch self {
    case .f32: 4 * length
    case .bf16: 2 * length
    case .fp8: length + 4 * ((length + Self.fp8BlockLength - 1) / Self.fp8BlockLength)
    }
  }
}
