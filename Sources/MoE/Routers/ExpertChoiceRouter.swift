// SPDX-License-Identifier: Apache-2.0
// epsim: experts choose their tokens.

/// Each expert takes its C = ceil(T K factor / E) best tokens of the batch.
///
/// Tokens are ranked by softmax over the experts, which is also the weight; ties go to the lower
/// token, NaN ranks last and weighs 0. C is at most T. A token gets any number of experts, in
/// ascending order, the rest of its places being ``RoutingDecision/dropped``.
///
/// A decision has ``choiceWidth`` places per token: E up to ``fullWidth`` experts, else the larger
/// of ``fullWidth`` and 8 K. Experts choose in ascending order and pass over a token whose places
/// are taken. An expert gets fewer than C tokens only where fewer have a place left, which needs a
/// batch of few tokens: `T < C (1 + (E - 1) / choiceWidth)` holds then.
///
/// It looks at the rank's whole batch, so choices depend on how tokens are dealt to ranks.
/// Source: Zhou et al., "Mixture-of-Experts with Expert Choice Routing", arXiv:2202.09368,
/// section 3.2, where K * factor, the mean number of experts per token, is the capacity factor c;
/// its capped variant (section 3.3) solves a linear programme instead.
public struct ExpertChoiceRouter: Router {
  /// Up to so many experts a token may be taken by all of them.
  public static let fullWidth = 64
  /// The factor unless another one is given.
  public static let defaultFactor = 1.0

  public let expertCount: Int
  /// K of the model; a token gets K * factor experts on average.
  public let topK: Int
  public let choiceWidth: Int
  private let factor: Double

  /// - Throws: ``InputError`` where K does not fit E or the factor is not positive.
  public init(expertCount: Int, topK: Int, factor: Double = Self.defaultFactor) throws {
    try RouterRule(score: .softmax, renormalises: false).check(
      expertCount: expertCount, topK: topK)
    guard factor.isFinite && factor > 0 else {
      throw InputError("the factor of expert choice is \(factor), accepted are positive numbers")
    }
    self.expertCount = expertCount
    self.topK = topK
    self.factor = factor
    // 8 K experts or all, whichever is less.
    let wide = topK >= expertCount / 8 ? expertCount : 8 * topK
    choiceWidth = min(expertCount, max(Self.fullWidth, wide))
  }

  /// C, the tokens that an expert takes of a batch.
  public func tokensPerExpert(tokenCount: Int) -> Int {
    let share = Double(tokenCount) * Double(topK) * factor / Double(expertCount)
    // Rounding of the product must not add a token where the quotient is whole.
    return Int(min(Double(tokenCount), (share * (1 - 1e-12)).rounded(.up)))
  }

  public func assignmentLimit(tokenCount: Int) -> Int {
    expertCount * tokensPerExpert(tokenCount: tokenCount)
  }

  public func scratchCount(tokenCount: Int) -> Int { 5 * tokenCount }

  public func route(_ batch: RouterBatch, into decision: inout RoutingDecision) {
    let (tokens, experts, width) = (batch.tokenCount, expertCount, choiceWidth)
    guard tokens > 0 else { return }
    precondition(batch.scratch.count >= scratchCount(tokenCount: tokens), "scratch is too small")
    var scratch = batch.scratch
    let (largest, totals) = (scratch.take(tokens), scratch.take(tokens))
    let (ranks, ranked) = (scratch.take(tokens), scratch.take(tokens))
    let taken = scratch.take(tokens)
    taken.update(repeating: 0)
    forEachToken(batch, into: &decision) { token, logits, chosen, weights in
      (largest[token], totals[token]) = ScoreFunction.softmaxTotal(logits)
      chosen.update(repeating: RoutingDecision.dropped)
      weights.update(repeating: 0)
    }
    let share = tokensPerExpert(tokenCount: tokens)
    for expert in 0..<experts {
      var candidates = 0
      for token in 0..<tokens {
        let logit = batch.logits[token * experts + expert]
        let term = ScoreFunction.softmaxTerm(logit, largest: largest[token])
        ranks[token] = logit.isNaN || totals[token] == 0 ? -1 : term / totals[token]
        if Int(taken[token]) < width {
          ranked[candidates] = ranks[token]
          candidates += 1
        }
      }
      let count = min(share, candidates)
      guard count > 0 else { continue }
      let bar = PartialSort.largest(
        count, of: UnsafeMutableBufferPointer(rebasing: ranked[..<candidates]))
      var equals = bar.equalCount
      for token in 0..<tokens where Int(taken[token]) < width && ranks[token] >= bar.value {
        if ranks[token] == bar.value {
          if equals == 0 { continue }
          equals -= 1
        }
        let place = token * width + Int(taken[token])
        decision.expertIndices[place] = Int32(expert)
        decision.routingWeights[place] = max(ranks[token], 0)
        taken[token] += 1
      }
    }
  }
}
