// SPDX-License-Identifier: Apache-2.0
// epsim: routing that loads every expert and every rank alike.

public import MoE

/// Each step gives all experts equally many assignments, to within one, by ``BalancedChoice``.
///
/// The circle of experts is turned and the tokens are shifted at random in each step and layer, so
/// that small steps reach other experts each time. Choices are a pure function of (T, seed, step,
/// layer, position); weights are those of ``UniformWorkload``.
public struct BalancedWorkload: RoutingSource {
  public let name: String
  public let expertCount: Int
  public let topK: Int
  /// T, the tokens of a step, which are balanced together.
  public let tokensPerStep: Int

  private let choice: BalancedChoice
  private let keys: RoutingKeys

  /// - Parameter rankCount: ranks that must not be idle although they do not divide E, see
  ///   ``BalancedChoice``; nil for any number.
  /// - Precondition: that of ``BalancedChoice``.
  public init(
    expertCount: Int, topK: Int, tokensPerStep: Int, rankCount: Int? = nil, seed: UInt64,
    name: String = "balanced"
  ) {
    self.name = name
    self.expertCount = expertCount
    self.topK = topK
    self.tokensPerStep = tokensPerStep
    choice = BalancedChoice(
      expertCount: expertCount, topK: topK, tokenCount: tokensPerStep, rankCount: rankCount)
    keys = RoutingKeys(seed: seed)
  }

  public func hasLayer(_ layer: Int) -> Bool { layer >= 0 }

  public func route(
    layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
  ) {
    requireFit(decision, count: positions.count, layer: layer)
    let key = keys.key(step: step, layer: layer)
    // No token has this number.
    var random = RandomDraws(key: key, number: -1)
    let turn = random.below(expertCount)
    let shift = random.below(tokensPerStep)
    forEachRow(positions, key: key, into: &decision) { position, chosen, _ in
      let token = (position + shift) % tokensPerStep
      for k in 0..<chosen.count {
        chosen[k] = Int32(choice.expert(token: token, choice: k, turn: turn))
      }
    }
  }
}
