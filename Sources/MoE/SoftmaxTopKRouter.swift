// SPDX-License-Identifier: Apache-2.0
// epsim: softmax over all experts, then the K largest.

internal import Foundation

/// Softmax over all logits, then the K largest; ties go to the lower index.
///
/// The weights are the chosen probabilities, divided by their sum where the model renormalises
/// (Mixtral) and as they are where it does not (DeepSeek-V2-Lite), times the scaling factor.
/// A NaN logit ranks below every number and gets probability 0.
/// Source: Shazeer et al., arXiv:1701.06538, section 2.1; Mixtral, arXiv:2401.04088, section 2.1.
public struct SoftmaxTopKRouter: Router {
  public let expertCount: Int
  public let topK: Int
  private let renormalises: Bool
  private let scaling: Float

  public init(expertCount: Int, topK: Int, renormalises: Bool, scaling: Double = 1) {
    precondition(topK >= 1 && topK <= expertCount, "top-\(topK) of \(expertCount) experts")
    self.expertCount = expertCount
    self.topK = topK
    self.renormalises = renormalises
    self.scaling = Float(scaling)
  }

  /// The router of a model.
  /// - Throws: ``InputError`` where the model's rule is not softmax top-k.
  public init(model: ModelShape) throws {
    let rule = model.router
    guard rule.score == .softmax, rule.scope == .all, rule.groups == nil, !rule.hasSelectionBias
    else {
      throw InputError(
        "live routing of \(model.name) needs a \(rule.score.rawValue) router"
          + (rule.groups.map { " limited to \($0.openCount) groups" } ?? "")
          + (rule.hasSelectionBias ? " with a selection bias" : "")
          + ", which is not built; use --workload with a trace, uniform or zipf")
    }
    self.init(
      expertCount: model.expertCount, topK: model.topK, renormalises: rule.renormalises,
      scaling: rule.scaling)
  }

  public func route(_ batch: RouterBatch, into decision: inout RoutingDecision) {
    let (logits, tokens) = (batch.logits, decision.tokenCount)
    precondition(
      logits.count == tokens * expertCount && decision.topK == topK,
      "\(logits.count) logits, top-\(decision.topK), for \(tokens) x \(expertCount), top-\(topK)")
    decision.expertIndices.withUnsafeMutableBufferPointer { indices in
      decision.routingWeights.withUnsafeMutableBufferPointer { weights in
        for token in 0..<tokens {
          choose(
            UnsafeBufferPointer(rebasing: logits[token * expertCount..<(token + 1) * expertCount]),
            UnsafeMutableBufferPointer(rebasing: indices[token * topK..<(token + 1) * topK]),
            UnsafeMutableBufferPointer(rebasing: weights[token * topK..<(token + 1) * topK]))
        }
      }
    }
  }

  /// Routes one token: `row` [E], `chosen` [K], `weights` [K].
  @inline(__always)
  private func choose(
    _ row: UnsafeBufferPointer<Float>, _ chosen: UnsafeMutableBufferPointer<Int32>,
    _ weights: UnsafeMutableBufferPointer<Float>
  ) {
    // K passes over E: the next choice is the largest one after the previous choice, where
    // "after" means a smaller logit, or the same logit and a higher index.
    var previous = (logit: Float.infinity, index: -1)
    for k in 0..<topK {
      var best = (logit: -Float.infinity, index: -1)
      for expert in 0..<expertCount {
        let logit = row[expert].isNaN ? -Float.infinity : row[expert]
        let isAfter =
          logit < previous.logit || (logit == previous.logit && expert > previous.index)
        if isAfter && (best.index < 0 || logit > best.logit) { best = (logit, expert) }
      }
      chosen[k] = Int32(best.index)
      weights[k] = best.logit
      previous = best
    }
    let largest = weights[0]
    var total: Float = 0
    for logit in row where !logit.isNaN { total += probability(logit, largest) }
    var chosenTotal: Float = 0
    for k in 0..<topK {
      weights[k] = total > 0 ? probability(weights[k], largest) / total : 0
      chosenTotal += weights[k]
    }
    let factor = renormalises && chosenTotal > 0 ? scaling / chosenTotal : scaling
    for k in 0..<topK { weights[k] *= factor }
  }

  /// exp(logit - largest), with the infinities defined: an infinite largest logit takes it all.
  @inline(__always)
  private func probability(_ logit: Float, _ largest: Float) -> Float {
    logit == largest ? 1 : exp(logit - largest)
  }
}
