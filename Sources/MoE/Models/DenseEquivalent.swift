// SPDX-License-Identifier: Apache-2.0
// epsim: the dense model that a model with experts is compared with.

/// A dense model of the same layers, hidden size and attention, with as many parameters.
///
/// Layers with experts become dense; the width of all dense FFNs is the one that comes closest to
/// the wanted count.
public struct DenseEquivalent: Sendable {
  /// Which count of the model the dense one has.
  public enum Match: String, Sendable, Codable, CaseIterable {
    /// As much memory: all parameters.
    case total
    /// As much work per token: the parameters that a token uses.
    case active
  }

  /// The dense model.
  public let model: ModelShape
  /// Its parameters.
  public let count: ParameterCount

  /// The dense equal of a model; nil where the rest of the model alone is larger than the count.
  public init?(of model: ModelShape, match: Match) {
    var dense = model
    dense.name = "\(model.name), dense of equal \(match.rawValue)"
    dense.expertCount = 0
    dense.topK = 0
    dense.expertFFNSize = 0
    dense.sharedExpertCount = 0
    dense.sharedFFNSize = 0
    dense.expertInputSize = model.hiddenSize
    dense.expertGroupCount = 1
    dense.router = RouterRule(score: .softmax, renormalises: false)
    dense.denseLayerCount = model.denseLayerCount + model.moeLayers.count
    dense.moeLayers = []
    dense.denseFFNSize = 0
    guard dense.denseLayerCount > 0 else { return nil }
    let wanted = ParameterCount(model)
    let rest = ParameterCount(dense)
    let missing =
      switch match {
      case .total: wanted.total - rest.total
      case .active: wanted.active - rest.active
      }
    let perWidth = dense.denseLayerCount * model.activation.matrixCount * model.hiddenSize
    dense.denseFFNSize = (missing + perWidth / 2) / perWidth
    guard missing > 0, dense.denseFFNSize > 0 else { return nil }
    self.model = dense
    count = ParameterCount(dense)
  }
}
