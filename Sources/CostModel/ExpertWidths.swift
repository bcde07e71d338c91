// SPDX-License-Identifier: Apache-2.0
// epsim: what a row and an expert cost, before any machine.

public import MoE

/// Sizes of an expert, as far as its time depends on them.
public struct ExpertWidths: Sendable, Hashable {
  /// H, values of a row.
  public var hiddenSize: Int
  /// F, the inner width.
  public var ffnSize: Int
  /// 3 with a gate (SwiGLU), 2 without.
  public var matrixCount: Int
  public var bytesPerWeight: Double
  /// Of a value of a row that experts read or write.
  public var bytesPerActivation: Double

  public init(
    hiddenSize: Int, ffnSize: Int, matrixCount: Int = 3, bytesPerWeight: Double = 2,
    bytesPerActivation: Double = 2
  ) {
    self.hiddenSize = hiddenSize
    self.ffnSize = ffnSize
    self.matrixCount = matrixCount
    self.bytesPerWeight = bytesPerWeight
    self.bytesPerActivation = bytesPerActivation
  }

  /// Those of a model's routed experts.
  public init(_ model: ModelShape, bytesPerWeight: Double = 2, bytesPerActivation: Double = 2) {
    self.init(
      hiddenSize: model.expertInputSize, ffnSize: model.expertFFNSize,
      matrixCount: model.activation.matrixCount, bytesPerWeight: bytesPerWeight,
      bytesPerActivation: bytesPerActivation)
  }

  /// Weights of an expert.
  public var parameters: Double {
    Double(matrixCount) * Double(hiddenSize) * Double(ffnSize)
  }
  /// A multiply-add per weight.
  public var workPerRow: Flops { Flops(2 * parameters) }
  /// What an expert that has rows reads.
  public var bytesPerExpert: Bytes { Bytes(parameters * bytesPerWeight) }
  /// A row that is read and one that is written; what lies between stays in caches.
  public var bytesPerRow: Bytes { Bytes(2 * Double(hiddenSize) * bytesPerActivation) }
}
