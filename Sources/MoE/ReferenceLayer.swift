// SPDX-License-Identifier: Apache-2.0
// epsim: the MoE layer, slow and obvious, that every fast path is compared with.

internal import Foundation

/// One MoE layer of a single process in Double: no ranks, no packing, no blocking.
///
/// `output(x) = sum_k w_k * FFN_{e_k}(rmsnorm(x)) + FFN_shared(rmsnorm(x))`, before the residual.
/// It is fed the run's own layer input and choices, so errors of layers do not add up.
public struct ReferenceLayer {
  private let weights: ModelWeights
  private let layer: Int

  public init(weights: ModelWeights, layer: Int) {
    self.weights = weights
    self.layer = layer
  }

  /// The layer's output before the residual.
  ///
  /// Shapes: `inputs` [T, H] before the norm, result [T, H].
  public func output(inputs: [Float], decision: RoutingDecision) -> [Double] {
    let model = weights.model
    let hidden = model.hiddenSize
    let normalised = inputs.isEmpty ? [] : rmsNorm(inputs, hidden: hidden)
    var output = [Double](repeating: 0, count: inputs.count)

    // Expert by expert, so that each expert's weights are generated once.
    for expert in Set(decision.expertIndices).sorted() where expert != RoutingDecision.dropped {
      let ffn = DenseFFN(model, inner: model.expertFFNSize) { gateUp, down in
        weights.fillGateUp(layer: layer, expert: Int(expert), into: gateUp)
        weights.fillDown(layer: layer, expert: Int(expert), into: down)
      }
      for slot in decision.expertIndices.indices where decision.expertIndices[slot] == expert {
        let row = (slot / decision.topK) * hidden..<(slot / decision.topK + 1) * hidden
        let result = ffn.apply(normalised[row])
        let weight = Double(decision.routingWeights[slot])
        for (column, value) in zip(row, result) { output[column] += weight * value }
      }
    }
    if model.sharedFFNSize > 0 {
      let ffn = DenseFFN(model, inner: model.sharedFFNSize) { gateUp, down in
        weights.fillSharedGateUp(layer: layer, into: gateUp)
        weights.fillSharedDown(layer: layer, into: down)
      }
      for token in 0..<decision.tokenCount {
        let row = token * hidden..<(token + 1) * hidden
        for (column, value) in zip(row, ffn.apply(normalised[row])) { output[column] += value }
      }
    }
    return output
  }

  /// The largest error over tokens: max |y - reference| / max |reference| of each token.
  ///
  /// Shapes: both [T, H], before the residual. A token whose reference is zero everywhere
  /// contributes the absolute error.
  public static func error(of values: [Float], reference: [Double], hidden: Int) -> Double {
    precondition(
      values.count == reference.count && values.count % hidden == 0,
      "\(values.count) values against \(reference.count), hidden \(hidden)")
    return stride(from: 0, to: values.count, by: hidden).map { start in
      let row = start..<start + hidden
      let largest = row.map { abs(reference[$0]) }.max() ?? 0
      let deviation = row.map { abs(Double(values[$0]) - reference[$0]) }.max() ?? 0
      // A NaN must not hide behind max(): it counts as infinitely wrong.
      guard row.allSatisfy({ values[$0].isFinite }) else { return .infinity }
      return largest > 0 ? deviation / largest : deviation
    }.max() ?? 0
  }

  /// x / sqrt(mean(x^2) + 1e-6) row by row, gain 1.
  private func rmsNorm(_ rows: [Float], hidden: Int) -> [Double] {
    var result = rows.map(Double.init)
    for start in stride(from: 0, to: rows.count, by: hidden) {
      let row = start..<start + hidden
      let meanSquare = row.reduce(0.0) { $0 + result[$1] * result[$1] } / Double(hidden)
      let factor = 1 / (meanSquare + 1e-6).squareRoot()
      for column in row { result[column] *= factor }
    }
    return result
  }
}

/// An FFN in Double: `y = activation(x gateUp) down`.
private struct DenseFFN {
  private let hidden: Int
  private let inner: Int
  private let activation: ExpertActivation
  private var gateUp: [Float]
  private var down: [Float]

  init(
    _ model: ModelShape, inner: Int,
    fill: (UnsafeMutableBufferPointer<Float>, UnsafeMutableBufferPointer<Float>) -> Void
  ) {
    hidden = model.hiddenSize
    self.inner = inner
    activation = model.activation
    gateUp = Array(repeating: 0, count: hidden * activation.inputMatrixCount * inner)
    down = Array(repeating: 0, count: inner * hidden)
    gateUp.withUnsafeMutableBufferPointer { gateUp in
      down.withUnsafeMutableBufferPointer { down in fill(gateUp, down) }
    }
  }

  func apply(_ x: ArraySlice<Double>) -> [Double] {
    let projected = product(x, gateUp, columns: activation.inputMatrixCount * inner)
    let activated = (0..<inner).map { column in
      let first = projected[column]
      switch activation {
      case .swiGLU: return first / (1 + exp(-first)) * projected[inner + column]
      case .geGLU:
        let bent = (2 / Double.pi).squareRoot() * (first + 0.044715 * first * first * first)
        return 0.5 * first * (1 + tanh(bent)) * projected[inner + column]
      case .reLU: return max(first, 0)
      case .squaredReLU: return max(first, 0) * max(first, 0)
      }
    }
    return product(activated[...], down, columns: hidden)
  }

  /// [1, rows] x [rows, columns].
  private func product(_ x: ArraySlice<Double>, _ matrix: [Float], columns: Int) -> [Double] {
    var result = [Double](repeating: 0, count: columns)
    for (row, value) in x.enumerated() {
      for column in 0..<columns {
        result[column] += value * Double(matrix[row * columns + column])
      }
    }
    return result
  }
}
