// SPDX-License-Identifier: Apache-2.0
// epsim: routing in which some experts are chosen together.

public import MoE

/// Experts fall into C clusters in each layer, and a token draws most of its experts from one.
///
/// The clusters are a random partition per layer, made from the seed, into parts of floor(E / C)
/// or ceil(E / C) experts. A token draws a cluster c with probability proportional to its size;
/// each of its K choices is then drawn from inside c with probability s and from outside otherwise,
/// uniformly among what is left there, and from the other side where nothing is left. Without such
/// exhaustion and with equal clusters of w = E / C experts all marginals are K / E, and two experts
/// have the lift P(both) / (P(one) P(other)) of ``expectedLift``.
///
/// Choices and weights are a pure function of (seed, step, layer, position); weights are those of
/// ``UniformWorkload``.
public struct CoactiveWorkload: RoutingSource {
  public let name: String
  public let expertCount: Int
  public let topK: Int
  /// C, at most E.
  public let clusterCount: Int
  /// s, the probability that a choice stays in the cluster.
  public let inside: Double

  private let keys: RoutingKeys
  private let layerCount: Int
  /// Cluster c holds the places of ``places(ofCluster:)``.
  private let order: ExpertOrders

  /// - Parameters:
  ///   - clusterCount: above E it counts as E.
  ///   - layerCount: layers `0 ..< layerCount` can be routed.
  /// - Precondition: 1 <= K <= E; at least one cluster; inside is from 0 to 1.
  public init(
    clusterCount: Int, inside: Double, expertCount: Int, topK: Int, layerCount: Int, seed: UInt64,
    name: String = "coactive"
  ) {
    precondition(topK >= 1 && topK <= expertCount, "top-k \(topK) of \(expertCount) experts")
    precondition(clusterCount >= 1 && (0...1).contains(inside), "\(clusterCount) \(inside)")
    self.name = name
    self.expertCount = expertCount
    self.topK = topK
    self.clusterCount = min(clusterCount, expertCount)
    self.inside = inside
    self.layerCount = layerCount
    keys = RoutingKeys(seed: seed)
    order = ExpertOrders(
      expertCount: expertCount, layerCount: layerCount, seed: seed, stream: 0x201D)
  }

  /// The experts of each cluster of a layer.
  public func clusters(layer: Int) -> [[Int32]] {
    (0..<clusterCount).map { cluster in
      places(ofCluster: cluster).map { order.expert(layer: layer, place: Int32($0)) }
    }
  }

  /// How much more often two experts are chosen together than if they were independent, within a
  /// cluster and across: with P(one) = K / E,
  /// P(both in a cluster) = (1/C) K (K-1) s^2 / (w (w-1)) + (1 - 1/C) K (K-1) a and
  /// P(both, across) = (2/C) K (K-1) s (1-s) / (w (E-w)) + (1 - 2/C) K (K-1) b, where a and b are
  /// (1-s)^2 / ((E-w) (E-w-1)).
  ///
  /// Exact where C divides E, 2 <= w, and K exceeds neither w nor E - w.
  public var expectedLift: (within: Double, across: Double) {
    let (count, experts, choices) = (Double(clusterCount), Double(expertCount), Double(topK))
    let width = experts / count
    let pairs = choices * (choices - 1)
    let outside = (1 - inside) * (1 - inside) / ((experts - width) * (experts - width - 1))
    let within = inside * inside / (width * (width - 1))
    let mixed = inside * (1 - inside) / (width * (experts - width))
    let independent = (choices / experts) * (choices / experts)
    return (
      pairs * (within / count + (1 - 1 / count) * outside) / independent,
      pairs * (2 / count * mixed + (1 - 2 / count) * outside) / independent
    )
  }

  @inline(__always)
  private func places(ofCluster cluster: Int) -> Range<Int> {
    let first = (cluster * expertCount + clusterCount - 1) / clusterCount
    return first..<((cluster + 1) * expertCount + clusterCount - 1) / clusterCount
  }

  public func hasLayer(_ layer: Int) -> Bool { (0..<layerCount).contains(layer) }

  public func route(
    layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
  ) {
    requireFit(decision, count: positions.count, layer: layer)
    let key = keys.key(step: step, layer: layer)
    forEachRow(positions, key: key, into: &decision) { _, chosen, random in
      // The cluster of a uniform place: proportional to size.
      let cluster = places(ofCluster: random.below(expertCount) * clusterCount / expertCount)
      var insideCount = 0
      for k in 0..<chosen.count {
        let isInside =
          insideCount < cluster.count
          && (random.unit() < inside || k - insideCount == expertCount - cluster.count)
        if isInside { insideCount += 1 }
        let taken = UnsafeMutableBufferPointer(rebasing: chosen[..<k])
        if isInside {
          chosen[k] = random.number(in: cluster, except: taken)
        } else {
          chosen[k] = numberOutside(cluster, except: taken, &random)
        }
      }
      for k in 0..<chosen.count { chosen[k] = order.expert(layer: layer, place: chosen[k]) }
    }
  }

  /// A place outside of a cluster: the side before or after it, by how much is left there.
  @inline(__always)
  private func numberOutside(
    _ cluster: Range<Int>, except taken: UnsafeMutableBufferPointer<Int32>,
    _ random: inout RandomDraws
  ) -> Int32 {
    var before = cluster.lowerBound
    var after = expertCount - cluster.upperBound
    for place in taken {
      if place < cluster.lowerBound { before -= 1 }
      if place >= cluster.upperBound { after -= 1 }
    }
    return random.below(before + after) < before
      ? random.number(in: 0..<cluster.lowerBound, except: taken)
      : random.number(in: cluster.upperBound..<expertCount, except: taken)
  }
}
