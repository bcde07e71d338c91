// SPDX-License-Identifier: Apache-2.0
// epsim: the router of a model, as its rule states it.

/// Chooses a token's K best experts by a ``RouterRule``.
///
/// 1. Selection values: the scores of all experts, or the logits where the rule takes its scores
///    among the chosen; plus the selection bias where the batch has one. NaN ranks below all.
/// 2. Groups that the token may not choose from are closed: their experts count as 0, or are left
///    out, as the rule's mask says.
/// 3. The K largest are chosen; ties go to the lower index.
/// 4. Weights: the scores without bias, divided by (their sum + 1e-20) where the rule
///    renormalises, times the scaling factor.
///
/// Without bias and groups the logits are compared instead of the scores, which grow with them:
/// the same choice, but for scores that only rounding makes equal.
/// Source: Mixtral, arXiv:2401.04088, section 2.1 (softmax, renormalised); DeepSeek-V2,
/// arXiv:2405.04434, eqs. 20-22; DeepSeek-V3, arXiv:2412.19437, eqs. 12-16; gpt-oss and Llama-4
/// as their code in Hugging Face transformers; Switch, arXiv:2101.03961, eqs. 1-2 (K = 1).
public struct TopKRouter: Router {
  /// Added to the sum that scores are divided by, as in DeepSeek-V3's code.
  static let epsilon: Float = 1e-20

  public let expertCount: Int
  public let topK: Int
  /// The rule.
  public let rule: RouterRule
  let scaling: Float

  /// - Throws: ``InputError`` where the rule does not fit the number of experts or choices.
  public init(rule: RouterRule, expertCount: Int, topK: Int) throws {
    try rule.check(expertCount: expertCount, topK: topK)
    self.rule = rule
    self.expertCount = expertCount
    self.topK = topK
    scaling = Float(rule.scaling)
  }

  public var ranksAllExperts: Bool { true }
  public var score: RouterRule.Score { rule.score }

  public func scratchCount(tokenCount: Int) -> Int {
    2 * expertCount + 2 * (rule.groups?.groupCount ?? 0) + 2 * topK
  }

  public func route(_ batch: RouterBatch, into decision: inout RoutingDecision) {
    forEachToken(batch, into: &decision) { _, logits, chosen, weights in
      choose(logits, bias: batch.bias, scratch: batch.scratch, chosen, weights)
    }
  }

  /// Routes one token: `logits` and `bias` [E], `chosen` and `weights` [K].
  func choose(
    _ logits: UnsafeBufferPointer<Float>, bias: UnsafeBufferPointer<Float>?,
    scratch: UnsafeMutableBufferPointer<Float>, _ chosen: UnsafeMutableBufferPointer<Int32>,
    _ weights: UnsafeMutableBufferPointer<Float>
  ) {
    var selection = LargestSelection(into: chosen, weights)
    if bias == nil && rule.groups == nil {
      for expert in 0..<expertCount {
        let logit = logits[expert]
        selection.offer(logit.isNaN ? -.infinity : logit, expert)
      }
      weigh(logits, chosen: UnsafeBufferPointer(chosen), into: weights)
      return
    }
    var scratch = scratch
    let (scores, values) = (scratch.take(expertCount), scratch.take(expertCount))
    fillValues(values, scores: scores, logits: logits, bias: bias)
    if let groups = rule.groups {
      let (isOpen, counts) = (scratch.take(groups.groupCount), scratch.take(groups.groupCount))
      groups.open(values, isOpen: isOpen, counts: counts)
      let size = expertCount / groups.groupCount
      for group in 0..<groups.groupCount {
        let members = group * size..<(group + 1) * size
        if isOpen[group] == 1 {
          for expert in members { selection.offer(values[expert], expert) }
        } else if groups.mask == .zero {
          for expert in members { selection.offer(Self.masked(values[expert]), expert) }
        }
      }
    } else {
      for expert in 0..<expertCount { selection.offer(values[expert], expert) }
    }
    weigh(
      logits, chosen: UnsafeBufferPointer(chosen), into: weights,
      scores: rule.scope == .all ? UnsafeBufferPointer(scores) : nil)
  }

  /// Fills `values` [E] with what experts are compared by and, where the rule scores all experts,
  /// `scores` [E].
  func fillValues(
    _ values: UnsafeMutableBufferPointer<Float>, scores: UnsafeMutableBufferPointer<Float>,
    logits: UnsafeBufferPointer<Float>, bias: UnsafeBufferPointer<Float>?
  ) {
    let compared: UnsafeBufferPointer<Float>
    if rule.scope == .all {
      rule.score.fill(scores, from: logits)
      compared = UnsafeBufferPointer(scores)
    } else {
      compared = logits
    }
    for expert in 0..<expertCount {
      let value = bias.map { compared[expert] + $0[expert] } ?? compared[expert]
      values[expert] = logits[expert].isNaN || value.isNaN ? -.infinity : value
    }
  }

  /// What an expert of a closed group counts as under the mask of zeros.
  @inline(__always)
  static func masked(_ value: Float) -> Float { value == -.infinity ? value : 0 }
}
