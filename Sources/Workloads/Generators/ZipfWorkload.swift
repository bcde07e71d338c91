// SPDX-License-Identifier: Apache-2.0
// epsim: skewed routing with a stable popularity order in each layer.

public import MoE

#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Glibc
#endif

/// Each token draws K distinct experts one after another, each with probability proportional to
/// popularity among those not drawn yet; the i-th most popular expert has popularity 1 / i^s.
///
/// The popularity order is a permutation per layer made from the seed. Choices and weights are a
/// pure function of (seed, step, layer, position); weights are those of ``UniformWorkload``.
public struct ZipfWorkload: RoutingSource {
  public let name: String
  public let expertCount: Int
  public let topK: Int
  /// s, 0 for uniform.
  public let exponent: Double
  /// The seed of every draw and of the popularity orders.
  public let seed: UInt64

  private let keys: RoutingKeys
  private let layerCount: Int
  private let order: ExpertOrders
  /// One row: the popularity of each place in the order.
  private let popularity: PopularityTable

  /// - Parameter layerCount: layers `0 ..< layerCount` can be routed.
  /// - Precondition: 1 <= K <= E; the exponent is finite and not negative.
  public init(exponent: Double, expertCount: Int, topK: Int, layerCount: Int, seed: UInt64) {
    precondition(topK >= 1 && topK <= expertCount, "top-k \(topK) of \(expertCount) experts")
    precondition(exponent >= 0 && exponent.isFinite, "exponent \(exponent)")
    name = "zipf:\(exponent)"
    self.exponent = exponent
    self.expertCount = expertCount
    self.topK = topK
    self.layerCount = layerCount
    self.seed = seed
    keys = RoutingKeys(seed: seed)
    order = ExpertOrders(
      expertCount: expertCount, layerCount: layerCount, seed: seed, stream: 0x2018)
    popularity = PopularityTable(
      popularity: (1...expertCount).map { pow(Double($0), -exponent) }, expertCount: expertCount)
  }

  public func hasLayer(_ layer: Int) -> Bool { (0..<layerCount).contains(layer) }

  public func route(
    layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
  ) {
    requireFit(decision, count: positions.count, layer: layer)
    let key = keys.key(step: step, layer: layer)
    forEachRow(positions, key: key, into: &decision) { _, chosen, random in
      popularity.draw(row: 0, into: chosen, &random)
      for k in 0..<chosen.count { chosen[k] = order.expert(layer: layer, place: chosen[k]) }
    }
  }
}
