// SPDX-License-Identifier: Apache-2.0
// epsim: routing in which the choice of one layer foretells that of the next.

public import MoE

/// The first choice of a token in layer l + 1 follows from that in layer l with probability p.
///
/// Experts fall into families of B places (the last may be smaller) of a random order per layer,
/// made from the seed; family g of one layer leads to family g of the next. A token's family stays
/// from layer to layer with probability p and is otherwise drawn anew, a family with probability
/// proportional to its size. The first choice is uniform in the family, the other K - 1 are uniform
/// among the rest. So each first choice has probability 1 / E, and the transition from expert e to
/// f is p / b + (1 - p) / E if f is one of the b experts that e's family leads to, else
/// (1 - p) / E.
///
/// No state is kept: whether a token's family was drawn anew in a layer is a pure function of
/// (seed, step, position, layer), so one looks back to the last such layer, 1 / (1 - p) layers on
/// average. Layers are those of the model's numbering, the dense ones included. Weights are those
/// of ``UniformWorkload``.
/// Source: the structure is that of Yao et al., "Exploiting inter-layer expert affinity",
/// arXiv:2401.08383.
public struct AffinityWorkload: RoutingSource {
  public let name: String
  public let expertCount: Int
  public let topK: Int
  /// p, the probability that the family stays.
  public let strength: Double
  /// B, the experts that a first choice leads to; at most E.
  public let branchCount: Int

  private let layerCount: Int
  private let keys: RoutingKeys
  private let pathKeys: CounterRandom
  private let order: ExpertOrders

  /// - Parameters:
  ///   - branchCount: above E it counts as E.
  ///   - layerCount: layers `0 ..< layerCount` can be routed.
  /// - Precondition: 1 <= K <= E; the strength is from 0 to 1; at least one branch.
  public init(
    strength: Double, branchCount: Int, expertCount: Int, topK: Int, layerCount: Int, seed: UInt64,
    name: String = "affinity"
  ) {
    precondition(topK >= 1 && topK <= expertCount, "top-k \(topK) of \(expertCount) experts")
    precondition(branchCount >= 1 && (0...1).contains(strength), "\(branchCount) \(strength)")
    self.name = name
    self.expertCount = expertCount
    self.topK = topK
    self.strength = strength
    self.branchCount = min(branchCount, expertCount)
    self.layerCount = layerCount
    keys = RoutingKeys(seed: seed)
    pathKeys = CounterRandom(seed: seed, 0x201E)
    order = ExpertOrders(
      expertCount: expertCount, layerCount: layerCount, seed: seed, stream: 0x201F)
  }

  /// The experts of each family of a layer; family g leads to family g of the next layer.
  public func families(layer: Int) -> [[Int32]] {
    stride(from: 0, to: expertCount, by: branchCount).map { first in
      (first..<min(first + branchCount, expertCount)).map {
        order.expert(layer: layer, place: Int32($0))
      }
    }
  }

  public func hasLayer(_ layer: Int) -> Bool { (0..<layerCount).contains(layer) }

  public func route(
    layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
  ) {
    requireFit(decision, count: positions.count, layer: layer)
    let key = keys.key(step: step, layer: layer)
    let pathKey = pathKeys.bits(at: UInt64(step))
    forEachRow(positions, key: key, into: &decision) { position, chosen, random in
      let family = family(layer: layer, token: CounterRandom(seed: pathKey, UInt64(position)))
      let first = family * branchCount
      let last = min(first + branchCount, expertCount)
      chosen[0] = Int32(first + random.below(last - first))
      for k in 1..<chosen.count {
        let taken = UnsafeMutableBufferPointer(rebasing: chosen[..<k])
        chosen[k] = random.number(in: 0..<expertCount, except: taken)
      }
      for k in 0..<chosen.count { chosen[k] = order.expert(layer: layer, place: chosen[k]) }
    }
  }

  /// The family of a token in a layer: the one drawn in the last layer that drew anew.
  @inline(__always)
  private func family(layer: Int, token: CounterRandom) -> Int {
    var drawn = layer
    while drawn > 0, token.unit(at: UInt64(2 * drawn)) < strength { drawn -= 1 }
    let place = token.bits(at: UInt64(2 * drawn + 1)).multipliedFullWidth(by: UInt64(expertCount))
    return Int(place.high) / branchCount
  }
}
