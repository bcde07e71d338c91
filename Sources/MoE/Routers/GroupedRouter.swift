// SPDX-License-Identifier: Apache-2.0
// epsim: equally many experts from every group.

/// Chooses the K / groups best experts of every group of consecutive experts (mixture of grouped
/// experts).
///
/// With a group per rank every rank gets the same number of assignments, whatever the scores say,
/// and every token goes to all ranks: perfect balance and maximal fan-out. Scores, bias and weights
/// are those of the model's rule, whose own groups do not count. A choice is in the order of groups,
/// largest first within one; ties go to the lower index.
/// Source: Pangu Pro MoE, arXiv:2505.21411, as far as its abstract and reports of it tell.
public struct GroupedRouter: Router {
  private let model: TopKRouter
  /// Groups of E / groups experts each.
  public let groupCount: Int

  /// - Parameter groups: nil for one per choice.
  /// - Throws: ``InputError`` where the groups do not divide E and K.
  public init(model: TopKRouter, groups: Int?) throws {
    let count = groups ?? model.topK
    guard count >= 1, model.topK.isMultiple(of: count), model.expertCount.isMultiple(of: count)
    else {
      throw InputError(
        "router:grouped with \(count) groups, accepted are divisors of both \(model.expertCount) "
          + "experts and top-\(model.topK)")
    }
    self.model = model
    groupCount = count
  }

  public var expertCount: Int { model.expertCount }
  public var topK: Int { model.topK }
  public var score: RouterRule.Score { model.score }

  public func scratchCount(tokenCount: Int) -> Int { 2 * expertCount }

  public func route(_ batch: RouterBatch, into decision: inout RoutingDecision) {
    let (size, perGroup) = (expertCount / groupCount, topK / groupCount)
    forEachToken(batch, into: &decision) { _, logits, chosen, weights in
      var scratch = batch.scratch
      let (scores, values) = (scratch.take(expertCount), scratch.take(expertCount))
      model.fillValues(values, scores: scores, logits: logits, bias: batch.bias)
      for group in 0..<groupCount {
        let choices = group * perGroup..<(group + 1) * perGroup
        var selection = LargestSelection(
          into: UnsafeMutableBufferPointer(rebasing: chosen[choices]),
          UnsafeMutableBufferPointer(rebasing: weights[choices]))
        for expert in group * size..<(group + 1) * size { selection.offer(values[expert], expert) }
      }
      model.weigh(
        logits, chosen: UnsafeBufferPointer(chosen), into: weights,
        scores: model.rule.scope == .all ? UnsafeBufferPointer(scores) : nil)
    }
  }
}
