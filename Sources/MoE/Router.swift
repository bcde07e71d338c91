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

  /// Numbers of working memory that a batch needs.
  func scratchCount(tokenCount: Int) -> Int

  /// Routes a batch. Local, does not allocate.
  ///
  /// Shapes: `batch.logits` [T, E]; `decision` [T, ``choiceWidth``].
  func route(_ batch: RouterBatch, into decision: inout RoutingDecision)
}

extension Router {
  public var choiceWidth: Int { topK }

  public func scratchCount(tokenCount: Int) -> Int { 0 }
}
