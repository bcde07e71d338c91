// SPDX-License-Identifier: Apache-2.0
// epsim: choices by a hash of the token.

/// Chooses K distinct experts by a hash of (seed, layer, global token), whatever the logits say.
///
/// The papers hash the token's number in the vocabulary; epsim's tokens have none, so the hash is
/// of the global token: each token draws its experts evenly (Floyd's sampling).
/// Source: Roller et al., "Hash Layers For Large Sparse Models", arXiv:2106.04426; DeepSeek-V4's
/// first layers as `DeepseekV4HashRouter` in Hugging Face transformers.
public struct HashRouter: Router {
  /// With which weights the chosen experts count.
  public enum Weighting: Sendable {
    /// 1 / K each: the hash layers of the paper, which have no gate.
    case equal
    /// As the model's rule weighs the logits of the chosen experts: DeepSeek-V4.
    case scores(TopKRouter)
  }

  public let expertCount: Int
  public let topK: Int
  private let weighting: Weighting
  private let stream: CounterRandom

  /// - Precondition: 1 <= K <= E.
  public init(expertCount: Int, topK: Int, weighting: Weighting, layer: Int, seed: UInt64) {
    precondition(topK >= 1 && topK <= expertCount, "top-\(topK) of \(expertCount) experts")
    self.expertCount = expertCount
    self.topK = topK
    self.weighting = weighting
    stream = CounterRandom(seed: seed, 0x2A03, UInt64(layer))
  }

  public func route(_ batch: RouterBatch, into decision: inout RoutingDecision) {
    forEachToken(batch, into: &decision) { token, logits, chosen, weights in
      let draws = CounterRandom(seed: stream.bits(at: batch.tokens[token]))
      for k in 0..<topK {
        // Any of the first `last + 1` experts, or the last of them if that one is taken: every
        // set of K experts is equally likely.
        let last = expertCount - topK + k
        let bits = draws.bits(at: UInt64(k))
        let drawn = Int32(bits.multipliedFullWidth(by: UInt64(last + 1)).high)
        chosen[k] = chosen[..<k].contains(drawn) ? Int32(last) : drawn
      }
      switch weighting {
      case .equal: weights.update(repeating: 1 / Float(topK))
      case .scores(let model):
        model.weigh(logits, chosen: UnsafeBufferPointer(chosen), into: weights)
      }
    }
  }
}
