// SPDX-License-Identifier: Apache-2.0
// epsim: one expert, a feed-forward network with or without a gate.

internal import CKernels

/// The experts of one shape: y = W2 (silu(W1 x) * (W3 x)), or without a gate y = W2 relu(W3 x).
///
/// W1 (gate) and W3 (up) are one product with weights [H, 2F], gate columns first, or [H, F] where
/// there is no gate; W2 (down) is [F, H]. The activation is computed in `Float` and rounded once to
/// the type of the products; silu(-infinity) is -0, NaN propagates, and 0 times an infinity is NaN
/// as in IEEE 754. Not thread-safe: it owns scratch for one block of rows.
/// Source: Shazeer 2020, "GLU Variants Improve Transformer", equation 6 (SwiGLU).
public final class ExpertFFN {
  /// What stands between the products.
  public enum Activation: Sendable, CaseIterable {
    /// silu(gate) * up.
    case swiGLU
    /// gelu(gate) * up, the tanh form of GELU.
    case geGLU
    /// max(up, 0), no gate.
    case reLU
    /// max(up, 0)^2, no gate.
    case squaredReLU

    /// Columns of the first product in multiples of F.
    var inputMatrixCount: Int { self == .swiGLU || self == .geGLU ? 2 : 1 }
  }

  /// The packed matrices of one expert.
  public final class Weights {
    let gateUp: PackedWeights
    let down: PackedWeights

    init(for ffn: ExpertFFN) throws(KernelError) {
      gateUp = try PackedWeights(for: ffn.gateUp)
      down = try PackedWeights(for: ffn.down)
    }

    /// Bytes that the expert occupies.
    public var byteCount: Int { gateUp.byteCount + down.byteCount }
  }

  /// H, the values in a token row.
  public let hiddenSize: Int
  /// F, the values between the two products.
  public let ffnSize: Int
  /// The type of x and of the weights.
  public let type: ElementType
  /// What stands between the products.
  public let activation: Activation
  private let gateUp: LinearProduct
  private let down: LinearProduct
  /// [maxRows, 2F] Float, [maxRows, F] without a gate.
  private let gateUpRows: AlignedBuffer
  /// [maxRows, F] of `type`.
  private let activatedRows: AlignedBuffer

  /// Experts of this shape; scratch for one block of rows is allocated here.
  /// - Throws: `KernelError` when the backend has no such products.
  public init(
    context: KernelContext, hiddenSize: Int, ffnSize: Int, type: ElementType,
    activation: Activation = .swiGLU
  ) throws(KernelError) {
    self.hiddenSize = hiddenSize
    self.ffnSize = ffnSize
    self.type = type
    self.activation = activation
    let between = activation.inputMatrixCount * ffnSize
    gateUp = try LinearProduct(
      context: context, inputSize: hiddenSize, outputSize: between, type: type)
    down = try LinearProduct(
      context: context, inputSize: ffnSize, outputSize: hiddenSize, type: type)
    let rows = LinearProduct.maxRows
    gateUpRows = AlignedBuffer(byteCount: rows * between * ElementType.f32.byteCount)
    activatedRows = AlignedBuffer(byteCount: rows * ffnSize * type.byteCount)
  }

  /// Bytes of one packed expert.
  public var packedByteCount: Int { gateUp.packedByteCount + down.packedByteCount }

  /// Floating-point operations of the two products for one row; a multiply-add counts as two.
  public var flopsPerRow: Int {
    2 * (activation.inputMatrixCount + 1) * hiddenSize * ffnSize
  }

  /// Packs one expert; the sources are free for the next one afterwards.
  ///
  /// Shapes: `gateUp` [H, 2F], gate columns first, [H, F] without a gate; `down` [F, H]; both
  /// row-major.
  public func pack(
    gateUp gateUpSource: UnsafePointer<Float>, down downSource: UnsafePointer<Float>
  ) throws(KernelError) -> Weights {
    let weights = try Weights(for: self)
    try gateUp.pack(gateUpSource, into: weights.gateUp)
    try down.pack(downSource, into: weights.down)
    return weights
  }

  /// Generates the code for every row count (about 0.1 s), so that no step has to.
  public func prepare() throws(KernelError) {
    try gateUp.prepare()
    try down.prepare()
  }

  /// Runs one expert on any number of rows, zero included.
  ///
  /// Shapes: `x` [rows, H] of ``type``, `y` [rows, H]; they must not overlap.
  public func apply(
    rows: Int, x: UnsafeRawPointer, weights: Weights, y: UnsafeMutablePointer<Float>
  ) {
    run(rows: rows, x: x, weights: weights, y: y, activating: true)
  }

  /// Runs the two products alone: what ``apply(rows:x:weights:y:)`` costs without its activation.
  ///
  /// For benchmarks: the second product reads whatever activations the last `apply` left (zeros
  /// before the first), so `y` is meaningless; work and memory traffic are those of `apply`.
  public func productsOnly(
    rows: Int, x: UnsafeRawPointer, weights: Weights, y: UnsafeMutablePointer<Float>
  ) {
    run(rows: rows, x: x, weights: weights, y: y, activating: false)
  }

  private func run(
    rows: Int, x: UnsafeRawPointer, weights: Weights, y: UnsafeMutablePointer<Float>,
    activating: Bool
  ) {
    precondition(rows >= 0, "\(rows) rows")
    let between = gateUpRows.bytes.assumingMemoryBound(to: Float.self)
    var start = 0
    while start < rows {
      let count = min(LinearProduct.maxRows, rows - start)
      gateUp.multiply(
        rows: count, x: x + start * hiddenSize * type.byteCount, weights: weights.gateUp,
        y: between)
      if activating { activate(rows: count, between) }
      down.multiply(
        rows: count, x: activatedRows.bytes, weights: weights.down, y: y + start * hiddenSize)
      start += count
    }
  }

  private func activate(rows: Int, _ between: UnsafeMutablePointer<Float>) {
    let count = rows * ffnSize
    switch type {
    case .f32:
      let to = activatedRows.bytes.assumingMemoryBound(to: Float.self)
      switch activation {
      case .swiGLU: ck_swiglu_f32(rows, ffnSize, between, to)
      case .geGLU: ck_geglu_f32(rows, ffnSize, between, to)
      case .reLU: ck_relu_f32(count, between, to)
      case .squaredReLU: ck_relu2_f32(count, between, to)
      }
    case .bf16:
      let to = activatedRows.bytes.assumingMemoryBound(to: UInt16.self)
      switch activation {
      case .swiGLU: ck_swiglu_bf16(rows, ffnSize, between, to)
      case .geGLU: ck_geglu_bf16(rows, ffnSize, between, to)
      case .reLU: ck_relu_bf16(count, between, to)
      case .squaredReLU: ck_relu2_bf16(count, between, to)
      }
    }
  }
}
