// SPDX-License-Identifier: Apache-2.0
// epsim: randomness that is laid over logits before the choice.

internal import Foundation

/// Changes a token's logits by draws that belong to (seed, layer, global token).
public protocol LogitNoise: Sendable {
  /// Writes the changed logits of a token. Shapes: both [E]. Does not allocate.
  func perturb(
    _ logits: UnsafeBufferPointer<Float>, token: UInt64,
    into noisy: UnsafeMutableBufferPointer<Float>)
}

/// Normal noise of one standard deviation on every logit: noisy top-k.
///
/// `H(x)_i = logit_i + normal * softplus(noise_i)`. The noise is learnt in the paper; there are no
/// learnt noise weights here, so softplus(noise_i) is the given standard deviation. Its default is
/// softplus(0) = ln 2: the paper starts with noise weights of zero.
/// Source: Shazeer et al., arXiv:1701.06538, eqs. 3-5 and appendix A.
public struct GaussianNoise: LogitNoise {
  /// softplus(0).
  public static let defaultDeviation = 0.693

  private let deviation: Double
  private let stream: CounterRandom

  public init(standardDeviation: Double, layer: Int, seed: UInt64) {
    deviation = standardDeviation
    stream = CounterRandom(seed: seed, 0x2A01, UInt64(layer))
  }

  public func perturb(
    _ logits: UnsafeBufferPointer<Float>, token: UInt64,
    into noisy: UnsafeMutableBufferPointer<Float>
  ) {
    let draws = CounterRandom(seed: stream.bits(at: token))
    // Box and Muller: two uniform numbers give two normal ones.
    for even in stride(from: 0, to: logits.count, by: 2) {
      // 1 - u lies in (0, 1], so the logarithm is finite.
      let radius = deviation * (-2 * log(1 - draws.unit(at: UInt64(even)))).squareRoot()
      let angle = 2 * Double.pi * draws.unit(at: UInt64(even + 1))
      noisy[even] = logits[even] + Float(radius * cos(angle))
      if even + 1 < logits.count {
        noisy[even + 1] = logits[even + 1] + Float(radius * sin(angle))
      }
    }
  }
}

/// Every logit times a uniform number of [1 - epsilon, 1 + epsilon]: multiplicative jitter.
///
/// Switch jitters the router's input; jitter of the logits is the variant that needs no second
/// gate product, and is what this type does.
/// Source: Fedus et al., Switch, arXiv:2101.03961 (input jitter); epsilon 0.01 is the default of
/// `router_jitter_noise` of Switch in Hugging Face transformers.
public struct UniformJitter: LogitNoise {
  /// The default of Switch.
  public static let defaultEpsilon = 0.01

  private let epsilon: Double
  private let stream: CounterRandom

  public init(epsilon: Double, layer: Int, seed: UInt64) {
    self.epsilon = epsilon
    stream = CounterRandom(seed: seed, 0x2A02, UInt64(layer))
  }

  public func perturb(
    _ logits: UnsafeBufferPointer<Float>, token: UInt64,
    into noisy: UnsafeMutableBufferPointer<Float>
  ) {
    let draws = CounterRandom(seed: stream.bits(at: token))
    for expert in logits.indices {
      let factor = 1 + epsilon * (2 * draws.unit(at: UInt64(expert)) - 1)
      noisy[expert] = logits[expert] * Float(factor)
    }
  }
}
