// SPDX-License-Identifier: Apache-2.0
// epsim: fewer choices per token than a workload has.

public import MoE

/// The first choices of every token of a workload: what a router with a smaller K does with the
/// same scores, where choices stand in the order of their scores.
public struct TopKPrefixSource: RoutingSource {
  public let topK: Int
  private let base: any RoutingSource
  private let renormalises: Bool

  public var name: String { base.name }
  public var expertCount: Int { base.expertCount }

  /// - Parameter renormalises: whether the weights that are left are scaled to the sum of all, as
  ///   in models that divide by the sum of the chosen ones.
  /// - Precondition: 1 <= K <= that of the workload.
  public init(_ base: any RoutingSource, topK: Int, renormalises: Bool) {
    precondition(topK >= 1 && topK <= base.topK, "top-\(topK) of top-\(base.topK)")
    self.base = base
    self.topK = topK
    self.renormalises = renormalises
  }

  public func hasLayer(_ layer: Int) -> Bool { base.hasLayer(layer) }

  public func route(
    layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
  ) {
    requireFit(decision, count: positions.count, layer: layer)
    var whole = RoutingDecision(tokenCount: positions.count, topK: base.topK)
    base.route(layer: layer, step: step, positions: positions, into: &whole)
    for token in 0..<positions.count {
      let weights = whole.routingWeights[token * base.topK..<(token + 1) * base.topK]
      let kept = weights.prefix(topK).reduce(0, +)
      let factor = renormalises && kept > 0 ? weights.reduce(0, +) / kept : 1
      for k in 0..<topK {
        decision.expertIndices[token * topK + k] = whole.expertIndices[token * base.topK + k]
        decision.routingWeights[token * topK + k] = factor * weights[weights.startIndex + k]
      }
    }
  }
}
