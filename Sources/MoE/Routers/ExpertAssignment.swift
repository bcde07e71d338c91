// SPDX-License-Identifier: Apache-2.0
// epsim: a routing decision seen from the experts.

/// Which tokens each expert works on: a ragged list of tokens per expert.
///
/// Shapes: ``offsets`` [E + 1]; expert e has the entries `offsets[e] ..< offsets[e + 1]` of
/// ``tokens`` and ``weights``, tokens in ascending order.
public struct ExpertAssignment: Sendable, Equatable {
  /// [E + 1] where each expert's entries begin.
  public let offsets: [Int]
  /// Index in the batch of each entry's token.
  public let tokens: [Int32]
  /// Routing weight of each entry.
  public let weights: [Float]

  /// The assignments of a decision that were not dropped.
  /// - Precondition: every index is below `expertCount`.
  public init(_ decision: RoutingDecision, expertCount: Int) {
    var offsets = [Int](repeating: 0, count: expertCount + 1)
    for expert in decision.expertIndices where expert >= 0 { offsets[Int(expert) + 1] += 1 }
    for expert in 0..<expertCount { offsets[expert + 1] += offsets[expert] }
    var next = offsets
    var tokens = [Int32](repeating: 0, count: offsets[expertCount])
    var weights = [Float](repeating: 0, count: offsets[expertCount])
    for (place, expert) in decision.expertIndices.enumerated() where expert >= 0 {
      tokens[next[Int(expert)]] = Int32(place / decision.topK)
      weights[next[Int(expert)]] = decision.routingWeights[place]
      next[Int(expert)] += 1
    }
    self.offsets = offsets
    self.tokens = tokens
    self.weights = weights
  }

  /// E.
  public var expertCount: Int { offsets.count - 1 }

  /// The most experts of any token.
  public var widest: Int {
    var counts: [Int32: Int] = [:]
    for token in tokens { counts[token, default: 0] += 1 }
    return counts.values.max() ?? 0
  }

  /// The same assignments as [T, width], each token's experts in ascending order; places that are
  /// not needed are ``RoutingDecision/dropped``.
  /// - Throws: ``InputError`` where a token has more experts than `width`.
  public func decision(tokenCount: Int, width: Int) throws -> RoutingDecision {
    guard widest <= width else {
      throw InputError("a token has \(widest) experts, but the decision has room for \(width)")
    }
    var decision = RoutingDecision(tokenCount: tokenCount, topK: width)
    var taken = [Int](repeating: 0, count: tokenCount)
    for expert in 0..<expertCount {
      for entry in offsets[expert]..<offsets[expert + 1] {
        let token = Int(tokens[entry])
        decision.expertIndices[token * width + taken[token]] = Int32(expert)
        decision.routingWeights[token * width + taken[token]] = weights[entry]
        taken[token] += 1
      }
    }
    return decision
  }
}
