// SPDX-License-Identifier: Apache-2.0
// epsim: what stands between the matrices of an FFN.

/// What an FFN does between its matrices, and with it how many matrices it has.
public enum ExpertActivation: String, Sendable, Codable, CaseIterable {
  /// `down (silu(gate x) * (up x))`: three matrices (Shazeer 2020, arXiv:2002.05202, equation 6).
  case swiGLU = "swiglu"
  /// `down (gelu(gate x) * (up x))` with the tanh form of GELU: three matrices (Gemma, Grok-1).
  case geGLU = "geglu"
  /// `down (max(up x, 0))`: two matrices (Switch Transformer, arXiv:2101.03961).
  case reLU = "relu"
  /// `down (max(up x, 0)^2)`: two matrices (So et al., arXiv:2109.08668; Nemotron).
  case squaredReLU = "relu2"

  /// Whether a gate matrix stands beside the up matrix.
  public var isGated: Bool { self == .swiGLU || self == .geGLU }
  /// Matrices of H x F weights: gate and up, or up alone, then down.
  public var matrixCount: Int { isGated ? 3 : 2 }
  /// Columns of the matrices before the activation, in multiples of F.
  public var inputMatrixCount: Int { matrixCount - 1 }
}
