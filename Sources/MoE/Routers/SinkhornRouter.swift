// SPDX-License-Identifier: Apache-2.0
// epsim: choices from a matrix of scores that was balanced over the batch.

internal import Foundation

/// Scales exp(logits) of the batch until rows and columns add up alike, then takes each token's K
/// largest; weights are those of the model's rule for the chosen experts, from the raw logits.
///
/// With c = exp(logits), rows d0 and columns d1 start at 1 and are renewed in turn:
/// `d0_t = 1 / (T (sum_e d1_e c_te + 1e-8))`, `d1_e = 1 / (E (sum_t d0_t c_te + 1e-8))`, until d1
/// changes by at most 1e-4 on average or ``iterationLimit`` is reached. The choice is the top-K of
/// `d1_e c_te` (d0_t does not change a token's order). Ties go to the lower index; NaN counts as
/// minus infinity.
///
/// It looks at the rank's whole batch, so choices depend on how tokens are dealt to ranks.
/// Source: Clark et al., arXiv:2202.01169 (S-BASE); `sinkhorn` of Megatron-LM, which has no limit
/// and weighs by sigmoid for K = 1 and by softmax otherwise. Each row is divided by its largest
/// entry first, which d0 undoes, so that exp cannot overflow.
public struct SinkhornRouter: Router {
  /// Mean change of the column factors at which the iteration ends.
  public static let tolerance: Float = 1e-4
  /// The most iterations.
  public static let iterationLimit = 100
  private static let epsilon: Float = 1e-8

  private let model: TopKRouter

  /// - Parameter model: gives E, K and the weights; its groups and bias are not used.
  public init(model: TopKRouter) {
    self.model = model
  }

  public var expertCount: Int { model.expertCount }
  public var topK: Int { model.topK }

  public func scratchCount(tokenCount: Int) -> Int {
    tokenCount * expertCount + 2 * expertCount
  }

  public func route(_ batch: RouterBatch, into decision: inout RoutingDecision) {
    guard batch.tokenCount > 0 else { return }
    let experts = expertCount
    precondition(
      batch.scratch.count >= scratchCount(tokenCount: batch.tokenCount)
        && batch.logits.count == batch.tokenCount * experts, "scratch \(batch.scratch.count)")
    var scratch = batch.scratch
    let (columns, sums) = (scratch.take(experts), scratch.take(experts))
    let costs = scratch.take(batch.tokenCount * experts)
    for token in 0..<batch.tokenCount {
      let logits = batch.row(token, expertCount: experts)
      let largest = ScoreFunction.largest(logits)
      for expert in 0..<experts {
        costs[token * experts + expert] = ScoreFunction.softmaxTerm(
          logits[expert], largest: largest)
      }
    }
    balance(costs, columns: columns, sums: sums, tokenCount: batch.tokenCount)
    forEachToken(batch, into: &decision) { token, logits, chosen, weights in
      var selection = LargestSelection(into: chosen, weights)
      for expert in 0..<experts {
        let value = columns[expert] * costs[token * experts + expert]
        // Below every number that can be compared, as everywhere.
        selection.offer(logits[expert].isNaN ? -.infinity : value, expert)
      }
      model.weigh(logits, chosen: UnsafeBufferPointer(chosen), into: weights)
    }
  }

  /// Finds the column factors [E] of `costs` [T, E]; `sums` [E] is working memory.
  private func balance(
    _ costs: UnsafeMutableBufferPointer<Float>, columns: UnsafeMutableBufferPointer<Float>,
    sums: UnsafeMutableBufferPointer<Float>, tokenCount: Int
  ) {
    let experts = expertCount
    columns.update(repeating: 1)
    for _ in 0..<Self.iterationLimit {
      sums.update(repeating: 0)
      for token in 0..<tokenCount {
        let row = token * experts
        var rowSum = Self.epsilon
        for expert in 0..<experts { rowSum += columns[expert] * costs[row + expert] }
        let factor = 1 / (Float(tokenCount) * rowSum)
        for expert in 0..<experts { sums[expert] += factor * costs[row + expert] }
      }
      var change: Float = 0
      for expert in 0..<experts {
        let renewed = 1 / (Float(experts) * (sums[expert] + Self.epsilon))
        change += abs(renewed - columns[expert])
        columns[expert] = renewed
      }
      if change <= Self.tolerance * Float(experts) { return }
    }
  }
}
