// SPDX-License-Identifier: Apache-2.0
// epsim: the routing weights of chosen experts.

extension TopKRouter {
  /// The weights that the rule gives to experts, whoever chose them.
  ///
  /// Hash layers and Sinkhorn choose in their own way and weigh as the model does.
  /// Shapes: `logits` [E]; `chosen` and `weights` [K], ``RoutingDecision/dropped`` weighs 0.
  /// - Parameter scores: [E] the scores of the logits, if they are known already.
  public func weigh(
    _ logits: UnsafeBufferPointer<Float>, chosen: UnsafeBufferPointer<Int32>,
    into weights: UnsafeMutableBufferPointer<Float>, scores: UnsafeBufferPointer<Float>? = nil
  ) {
    let scale = scale(logits, chosen: chosen, scores: scores)
    for k in chosen.indices {
      weights[k] =
        chosen[k] < 0
        ? 0 : weight(Int(chosen[k]), logits: logits, scores: scores, scale: scale)
    }
  }

  /// What turns a token's logits into weights, once its choice is known.
  struct WeightScale {
    /// The logit that softmax terms are taken relative to.
    var largest: Float
    /// Factor from the score, or the softmax term, to the weight.
    var factor: Float
  }

  /// Whether weights are softmax terms of the logits, relative to those of the chosen experts:
  /// dividing probabilities by their sum cancels the terms of the others.
  @inline(__always)
  private var isSoftmaxOfChosen: Bool {
    rule.score == .softmax && (rule.renormalises || rule.scope == .chosen)
  }

  /// The scale of a token's weights.
  @inline(__always)
  func scale(
    _ logits: UnsafeBufferPointer<Float>, chosen: UnsafeBufferPointer<Int32>,
    scores: UnsafeBufferPointer<Float>?
  ) -> WeightScale {
    if isSoftmaxOfChosen {
      var largest = -Float.infinity
      for expert in chosen where expert >= 0 && logits[Int(expert)] > largest {
        largest = logits[Int(expert)]
      }
      var total: Float = 0
      for expert in chosen where expert >= 0 {
        total += ScoreFunction.softmaxTerm(logits[Int(expert)], largest: largest)
      }
      return WeightScale(largest: largest, factor: total > 0 ? scaling / total : 0)
    }
    if rule.score == .softmax && scores == nil {
      let (largest, total) = ScoreFunction.softmaxTotal(logits)
      return WeightScale(largest: largest, factor: total > 0 ? scaling / total : 0)
    }
    guard rule.renormalises else { return WeightScale(largest: 0, factor: scaling) }
    var sum = Self.epsilon
    for expert in chosen where expert >= 0 {
      sum += score(Int(expert), logits: logits, scores: scores)
    }
    return WeightScale(largest: 0, factor: scaling / sum)
  }

  /// The weight of one expert.
  @inline(__always)
  func weight(
    _ expert: Int, logits: UnsafeBufferPointer<Float>, scores: UnsafeBufferPointer<Float>?,
    scale: WeightScale
  ) -> Float {
    if isSoftmaxOfChosen || (rule.score == .softmax && scores == nil) {
      return ScoreFunction.softmaxTerm(logits[expert], largest: scale.largest) * scale.factor
    }
    return score(expert, logits: logits, scores: scores) * scale.factor
  }

  @inline(__always)
  private func score(
    _ expert: Int, logits: UnsafeBufferPointer<Float>, scores: UnsafeBufferPointer<Float>?
  ) -> Float {
    if let scores { return scores[expert] }
    switch rule.score {
    case .softmax: return 0
    case .sigmoid: return ScoreFunction.sigmoid(logits[expert])
    case .sqrtSoftplus: return ScoreFunction.sqrtSoftplus(logits[expert])
    }
  }
}
