// SPDX-License-Identifier: Apache-2.0
// epsim: the number formats that experts are multiplied in.

/// The format of an expert's weights and products, widest first.
public enum Precision: String, Sendable, Codable, CaseIterable {
  case f32, bf16, fp8, fp4

  /// Of one weight, scales not counted.
  public var bytes: Double {
    switch self {
    case .f32: 4
    case .bf16: 2
    case .fp8: 1
    case .fp4: 0.5
    }
  }
}
