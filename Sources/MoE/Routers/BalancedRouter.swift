// SPDX-License-Identifier: Apache-2.0
// epsim: forced-balanced routing, the upper bound of what balancing can give.

/// Loads every expert and every rank alike, whatever the logits say; weights 1 / K.
///
/// The choice is ``BalancedChoice`` of the token's position in its step, global token mod T, turned
/// by a draw for (seed, layer, step).
/// Source: `moe_router_force_load_balancing` of Megatron-LM and `--perfect_router` of TensorRT-LLM
/// have the same purpose, by random logits and by `(rank + slot) mod R`.
public struct BalancedRouter: Router {
  private let choice: BalancedChoice
  private let stream: CounterRandom

  /// - Parameter layer: in the model's numbering.
  public init(choice: BalancedChoice, layer: Int, seed: UInt64) {
    self.choice = choice
    stream = CounterRandom(seed: seed, 0x2A04, UInt64(layer))
  }

  public var expertCount: Int { choice.expertCount }
  public var topK: Int { choice.topK }

  public func route(_ batch: RouterBatch, into decision: inout RoutingDecision) {
    let (tokensPerStep, experts) = (UInt64(choice.tokenCount), UInt64(expertCount))
    forEachToken(batch, into: &decision) { token, _, chosen, weights in
      let (step, position) = batch.tokens[token].quotientAndRemainder(dividingBy: tokensPerStep)
      let turn = Int(stream.bits(at: step).multipliedFullWidth(by: experts).high)
      for k in 0..<topK {
        chosen[k] = Int32(choice.expert(token: Int(position), choice: k, turn: turn))
      }
      weights.update(repeating: 1 / Float(topK))
    }
  }
}
