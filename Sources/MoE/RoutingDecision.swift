// SPDX-License-Identifier: Apache-2.0
// epsim: which experts each token chose, and with which weights.

/// The outcome of routing a batch of tokens in one layer.
///
/// Shapes: `expertIndices` [T, K], `routingWeights` [T, K], both row-major.
/// The value is plain data: it does not say where the experts live (that is a placement) and does
/// not depend on the number of ranks.
public struct RoutingDecision: Sendable, Equatable {
  /// Marks an assignment that was dropped (by capacity): it is neither sent nor computed.
  public static let dropped: Int32 = -1

  /// T, the tokens of the batch.
  public let tokenCount: Int
  /// K, the experts that each token chooses.
  public let topK: Int
  /// [T, K] logical experts in the router's order; ``dropped`` marks a dropped assignment.
  public var expertIndices: [Int32]
  /// [T, K] weight of each chosen expert's output in the combined result.
  public var routingWeights: [Float]

  /// A batch in which every assignment is dropped and every weight is zero.
  public init(tokenCount: Int, topK: Int) {
    self.tokenCount = tokenCount
    self.topK = topK
    expertIndices = Array(repeating: Self.dropped, count: tokenCount * topK)
    routingWeights = Array(repeating: 0, count: tokenCount * topK)
  }

  /// A batch with the given choices.
  /// - Precondition: both arrays hold `topK` entries per token.
  public init(topK: Int, expertIndices: [Int32], routingWeights: [Float]) {
    precondition(topK > 0, "top-k is \(topK), must be positive")
    precondition(
      expertIndices.count == routingWeights.count && expertIndices.count % topK == 0,
      "\(expertIndices.count) indices, \(routingWeights.count) weights, top-k \(topK)")
    tokenCount = expertIndices.count / topK
    self.topK = topK
    self.expertIndices = expertIndices
    self.routingWeights = routingWeights
  }
}
