// SPDX-License-Identifier: Apache-2.0
// epsim: the number formats that rows and weights are kept in.

/// How a row or a weight matrix is stored.
public enum ElementType: String, Sendable, Codable, CaseIterable {
  /// IEEE single precision, Swift's `Float`.
  case f32
  /// The upper half of a `Float`: its sign and exponent, 7 bits of fraction.
  case bf16

  /// Bytes of one value.
  public var byteCount: Int {
    switch self {
    case .f32: 4
    case .bf16: 2
    }
  }
}
