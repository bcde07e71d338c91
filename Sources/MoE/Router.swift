// SPDX-License-Identifier: Apache-2.0
// epsim: from router logits to expert choices.

/// What a router sees of a batch: pointers that live as long as the call.
public struct RouterBatch {
  /// [T, E] logits.
  public let logits: UnsafeBufferPointer<Float>
  /// [T] index of each token over the whole run: what draws and hashes are keyed by.
  public let tokens: UnsafeBufferPointer<UInt64>
  /// [E] learnt bias that is added to the scores for the selection only; nil for zeros.
  public let bias: UnsafeBufferPointer<Float>?
  /// Working memory of ``Router/scratchCount(tokenCount:)`` numbers, contents undefined.
  public let scratch: UnsafeMutableBufferPointer<Float>

  /// T, the tokens of the batch.
  public var tokenCount: Int { tokens.count }

  public init(
    logits: UnsafeBufferPointer<Float>, tokens: UnsafeBufferPointer<UInt64>,
    bias: UnsafeBufferPointer<Float>? = nil, scratch: UnsafeMutableBufferPointer<Float>
  ) {
    self.logits = logits
    self.tokens = tokens
    self.bias = bias
    self.scratch = scratch
  }
}

/// Turns the router's logits into choices and routing weights, in one layer.
///
/// A router is a value: what it draws is a function of (seed, layer, global token), so its choices
/// do not depend on how tokens are dealt to ranks - but for those that look at the whole batch
/// (expert choice, Sinkhorn), which route the rank's batch.
public protocol Router: Sendable {
  /// E, the experts that it chooses from.
  var expertCount: Int { get }
  /// K, the experts that it chooses per token; the mean where the number differs by token.
  var topK: Int { get }
  /// Choices per token that a decision has room for: K, or more where the number differs by token;
  /// those that are not used are ``RoutingDecision/dropped``.
  var choiceWidth: Int { get }

  /// The function from logits to the probabilities of balance losses.
  var score: RouterRule.Score { get }

  /// Numbers of working memory that a batch needs.
  func scratchCount(tokenCount: Int) -> Int

  /// The most choices that are not dropped in a batch: T K unless the rule says otherwise.
  func assignmentLimit(tokenCount: Int) -> Int

  /// Routes a batch. Local, does not allocate.
  ///
  /// Shapes: `batch.logits` [T, E]; `decision` [T, ``choiceWidth``].
  func route(_ batch: RouterBatch, into decision: inout RoutingDecision)

  /// Whether ``preferences(_:token:scores:weights:)`` knows a next-best expert; false for routers
  /// whose choice is not the token's own ranking of experts (hash, balanced, expert choice,
  /// Sinkhorn).
  var ranksAllExperts: Bool { get }

  /// How much a token would like each expert: what rerouting an assignment that found no room
  /// needs. Local, does not allocate; overwrites the batch's scratch.
  ///
  /// Shapes: `scores` and `weights` [E]. The K largest scores, ties going to the lower index, are
  /// the choice of ``route(_:into:)`` with their weights there. The other weights are what an
  /// expert would carry in place of a chosen one: where weights are divided by the sum of the
  /// chosen scores, that sum stays the one of the K original choices.
  /// A score of minus infinity marks an expert that must not be taken (its group is closed, or its
  /// logit is NaN); where ``ranksAllExperts`` is false, all are so marked.
  /// - Parameter token: index in the batch.
  func preferences(
    _ batch: RouterBatch, token: Int, scores: UnsafeMutableBufferPointer<Float>,
    weights: UnsafeMutableBufferPointer<Float>)
}

extension Router {
  public var choiceWidth: Int { topK }

  public func scratchCount(tokenCount: Int) -> Int { 0 }

  public func assignmentLimit(tokenCount: Int) -> Int { tokenCount * topK }

  public var ranksAllExperts: Bool { false }

  public var score: RouterRule.Score { .softmax }

  public func preferences(
    _ batch: RouterBatch, token: Int, scores: UnsafeMutableBufferPointer<Float>,
    weights: UnsafeMutableBufferPointer<Float>
  ) {
    scores.update(repeating: -.infinity)
    weights.update(repeating: 0)
  }

  /// Calls `body` for every token with its logits [E] and its part of the decision [width] each.
  @inline(__always)
  func forEachToken(
    _ batch: RouterBatch, into decision: inout RoutingDecision,
    _ body: (
      _ token: Int, _ logits: UnsafeBufferPointer<Float>,
      _ chosen: UnsafeMutableBufferPointer<Int32>, _ weights: UnsafeMutableBufferPointer<Float>
    ) -> Void
  ) {
    let (tokens, experts, width) = (batch.tokenCount, expertCount, choiceWidth)
    precondition(
      batch.logits.count == tokens * experts && decision.tokenCount == tokens
        && decision.topK == width && batch.bias.map { $0.count == experts } ?? true
        && batch.scratch.count >= scratchCount(tokenCount: tokens),
      "\(batch.logits.count) logits, \(decision.tokenCount) x \(decision.topK) choices for "
        + "\(tokens) x \(experts), top-\(width); scratch \(batch.scratch.count)")
    decision.expertIndices.withUnsafeMutableBufferPointer { indices in
      decision.routingWeights.withUnsafeMutableBufferPointer { weights in
        for token in 0..<tokens {
          let choices = token * width..<(token + 1) * width
          body(
            token, batch.row(token, expertCount: experts),
            UnsafeMutableBufferPointer(rebasing: indices[choices]),
            UnsafeMutableBufferPointer(rebasing: weights[choices]))
        }
      }
    }
  }
}

extension RouterBatch {
  /// [E] logits of one token.
  @inline(__always)
  func row(_ token: Int, expertCount: Int) -> UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(rebasing: logits[token * expertCount..<(token + 1) * expertCount])
  }

}

extension UnsafeMutableBufferPointer<Float> {
  /// The first `count` numbers, which are removed from this buffer.
  @inline(__always)
  mutating func take(_ count: Int) -> UnsafeMutableBufferPointer<Float> {
    let part = UnsafeMutableBufferPointer(rebasing: self[..<count])
    self = UnsafeMutableBufferPointer(rebasing: self[count...])
    return part
  }
}
