// SPDX-License-Identifier: Apache-2.0
// epsim: skewed routing with log-normal popularity in each layer.

public import MoE

#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Glibc
#endif

/// Each token draws K distinct experts one after another, each with probability proportional to
/// popularity among those not drawn yet; expert e of a layer has popularity exp(sigma z), z being
/// a standard normal number that belongs to (seed, layer, e).
///
/// Token counts per rank recorded on DeepSeek-V3 fit a log-normal law best
/// (github.com/deepseek-ai/DeepEP, pull request 393).
/// Choices and weights are a pure function of (seed, step, layer, position); weights are those of
/// ``UniformWorkload``.
public struct LognormalWorkload: RoutingSource {
  public let name: String
  public let expertCount: Int
  public let topK: Int
  /// The standard deviation of the logarithm of popularity, 0 for uniform.
  public let sigma: Double

  private let keys: RoutingKeys
  private let layerCount: Int
  /// A row per layer.
  private let popularity: PopularityTable

  /// - Parameter layerCount: layers `0 ..< layerCount` can be routed.
  /// - Precondition: 1 <= K <= E; sigma is from 0 to 100.
  public init(sigma: Double, expertCount: Int, topK: Int, layerCount: Int, seed: UInt64) {
    precondition(topK >= 1 && topK <= expertCount, "top-k \(topK) of \(expertCount) experts")
    precondition(sigma >= 0 && sigma <= 100, "sigma \(sigma)")
    name = "lognormal:\(sigma)"
    self.sigma = sigma
    self.expertCount = expertCount
    self.topK = topK
    self.layerCount = layerCount
    keys = RoutingKeys(seed: seed)
    popularity = PopularityTable(
      popularity: Self.popularity(
        sigma: sigma, expertCount: expertCount, layerCount: layerCount, seed: seed),
      expertCount: expertCount)
  }

  /// [layers, E] the popularities, not normalised.
  public static func popularity(sigma: Double, expertCount: Int, layerCount: Int, seed: UInt64)
    -> [Double]
  {
    let key = CounterRandom(seed: seed, 0x2019).key
    return (0..<layerCount).flatMap { layer in
      var random = RandomDraws(key: key, number: layer)
      return (0..<expertCount).map { _ in exp(sigma * random.normal()) }
    }
  }

  public func hasLayer(_ layer: Int) -> Bool { (0..<layerCount).contains(layer) }

  public func route(
    layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
  ) {
    requireFit(decision, count: positions.count, layer: layer)
    let key = keys.key(step: step, layer: layer)
    forEachRow(positions, key: key, into: &decision) { _, chosen, random in
      popularity.draw(row: layer, into: chosen, &random)
    }
  }
}
