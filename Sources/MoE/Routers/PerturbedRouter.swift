// SPDX-License-Identifier: Apache-2.0
// epsim: a model's router on logits with noise.

/// Routes by a ``TopKRouter`` after ``LogitNoise``; choice and weights both see the noisy logits.
///
/// With softmax over the chosen experts (or renormalised, which is the same) and ``GaussianNoise``
/// this is noisy top-k gating: `Softmax(KeepTopK(H(x), K))`, Shazeer et al., arXiv:1701.06538.
public struct PerturbedRouter<Noise: LogitNoise>: Router {
  private let base: TopKRouter
  private let noise: Noise

  public init(_ base: TopKRouter, noise: Noise) {
    self.base = base
    self.noise = noise
  }

  public var expertCount: Int { base.expertCount }
  public var topK: Int { base.topK }
  public var ranksAllExperts: Bool { true }
  public var score: RouterRule.Score { base.score }

  public func scratchCount(tokenCount: Int) -> Int {
    expertCount + base.scratchCount(tokenCount: tokenCount)
  }

  public func route(_ batch: RouterBatch, into decision: inout RoutingDecision) {
    forEachToken(batch, into: &decision) { token, logits, chosen, weights in
      var scratch = batch.scratch
      let noisy = scratch.take(expertCount)
      noise.perturb(logits, token: batch.tokens[token], into: noisy)
      base.choose(
        UnsafeBufferPointer(noisy), bias: batch.bias, scratch: scratch, chosen, weights)
    }
  }

  public func preferences(
    _ batch: RouterBatch, token: Int, scores: UnsafeMutableBufferPointer<Float>,
    weights: UnsafeMutableBufferPointer<Float>
  ) {
    precondition(
      batch.scratch.count >= scratchCount(tokenCount: 1), "scratch \(batch.scratch.count)")
    var scratch = batch.scratch
    let noisy = scratch.take(expertCount)
    noise.perturb(
      batch.row(token, expertCount: expertCount), token: batch.tokens[token], into: noisy)
    base.preferences(
      UnsafeBufferPointer(noisy), bias: batch.bias, scratch: scratch, values: scores,
      weights: weights)
  }
}

/// Noisy top-k gating.
public typealias NoisyTopKRouter = PerturbedRouter<GaussianNoise>
/// A model's router with jitter.
public typealias JitterRouter = PerturbedRouter<UniformJitter>
