// SPDX-License-Identifier: Apache-2.0
// epsim: routing in which a few experts are hot.

public import MoE

/// A share of the tokens, the heat, chooses from a hot set of H experts; the rest chooses from all.
///
/// A hot token draws min(K, H) experts uniformly from the hot set and what is missing from the
/// others; any other token draws K of all E. H is what one of R ranks holds under contiguous
/// placement, ceil(E / R), so the patterns differ in where the heat is, not in how much there is
/// of it. R is a parameter of the workload, not the number of ranks that it runs on.
///
/// Choices and weights are a pure function of (seed, step, layer, position); weights are those of
/// ``UniformWorkload``.
/// Source: the workloads W1, W2, W3, W6 and W7 of github.com/NVIDIA/Megatron-LM, pull request 7488,
/// which have H = max(K, E / 4) and a heat of 3/4 (of 1/2 in bursts).
public struct HotSetWorkload: RoutingSource {
  /// Where and when there is heat.
  public enum Pattern: Sendable, Equatable {
    /// Experts at random in each layer: no rank is meant, but single experts are heavy.
    case experts
    /// All experts of rank 0.
    case rank
    /// Experts at even distances, so on as many ranks as possible.
    case spread
    /// All experts of a rank, the next one after this many steps.
    case rotating(every: Int)
    /// All experts of rank 0, in the last of so many steps only.
    case burst(every: Int)
  }

  public let name: String
  public let expertCount: Int
  public let topK: Int
  /// Where and when there is heat.
  public let pattern: Pattern
  /// Share of the tokens that are hot, 0 to 1.
  public let heat: Double
  /// R of the hot ranks, at most E.
  public let rankCount: Int

  private let keys: RoutingKeys
  private let layerCount: Int
  /// One order for all layers, or one for each: experts with the hot ones in front.
  private let orders: [Int32]

  /// - Parameters:
  ///   - rankCount: above E it counts as E.
  ///   - layerCount: layers `0 ..< layerCount` can be routed.
  /// - Precondition: 1 <= K <= E; at least one rank; heat from 0 to 1; periods are positive.
  public init(
    _ pattern: Pattern, heat: Double, rankCount: Int, expertCount: Int, topK: Int, layerCount: Int,
    seed: UInt64, name: String = "hot"
  ) {
    precondition(topK >= 1 && topK <= expertCount, "top-k \(topK) of \(expertCount) experts")
    precondition(rankCount >= 1 && (0...1).contains(heat), "heat \(heat) of \(rankCount) ranks")
    switch pattern {
    case .rotating(let period), .burst(let period): precondition(period >= 1, "period \(period)")
    case .experts, .rank, .spread: break
    }
    self.name = name
    self.expertCount = expertCount
    self.topK = topK
    self.pattern = pattern
    self.heat = heat
    self.rankCount = min(rankCount, expertCount)
    self.layerCount = layerCount
    keys = RoutingKeys(seed: seed)
    switch pattern {
    case .experts:
      let random = ExpertOrders(
        expertCount: expertCount, layerCount: layerCount, seed: seed, stream: 0x201C)
      orders = (0..<layerCount).flatMap { layer in
        (0..<Int32(expertCount)).map { random.expert(layer: layer, place: $0) }
      }
    case .spread:
      let width = (expertCount + self.rankCount - 1) / self.rankCount
      let hot = (0..<width).map { Int32($0 * expertCount / width) }
      let isHot = Set(hot)
      orders = hot + (0..<Int32(expertCount)).filter { !isHot.contains($0) }
    case .rank, .rotating, .burst:
      orders = (0..<Int32(expertCount)).map { $0 }
    }
  }

  /// The hot experts in a step of a layer; empty where no token is hot.
  public func hotExperts(layer: Int, step: Int) -> [Int32] {
    let hot = hotSet(layer: layer, step: step)
    return hot.heat > 0 ? (0..<Int32(hot.count)).map { expert($0, of: hot) } : []
  }

  /// The place of the hot experts in the orders.
  private struct HotSet {
    /// First entry of the order.
    let order: Int
    /// Entries that the order is turned by.
    let turn: Int
    /// H.
    let count: Int
    let heat: Double
  }

  @inline(__always)
  private func hotSet(layer: Int, step: Int) -> HotSet {
    let widest = (expertCount + rankCount - 1) / rankCount
    switch pattern {
    case .experts:
      return HotSet(order: layer * expertCount, turn: 0, count: widest, heat: heat)
    case .rank, .spread:
      return HotSet(order: 0, turn: 0, count: widest, heat: heat)
    case .rotating(let period):
      let rank = step / period % rankCount
      // Expert e is on rank floor(e R / E).
      let first = (rank * expertCount + rankCount - 1) / rankCount
      let end = ((rank + 1) * expertCount + rankCount - 1) / rankCount
      return HotSet(order: 0, turn: first, count: end - first, heat: heat)
    case .burst(let period):
      return HotSet(
        order: 0, turn: 0, count: widest, heat: step % period == period - 1 ? heat : 0)
    }
  }

  /// The expert at a place of the turned order.
  @inline(__always)
  private func expert(_ place: Int32, of hot: HotSet) -> Int32 {
    let turned = Int(place) + hot.turn
    return orders[hot.order + (turned < expertCount ? turned : turned - expertCount)]
  }

  public func hasLayer(_ layer: Int) -> Bool { (0..<layerCount).contains(layer) }

  public func route(
    layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
  ) {
    requireFit(decision, count: positions.count, layer: layer)
    let key = keys.key(step: step, layer: layer)
    let hot = hotSet(layer: layer, step: step)
    forEachRow(positions, key: key, into: &decision) { _, chosen, random in
      let isHot = random.unit() < hot.heat
      for k in 0..<chosen.count {
        let taken = UnsafeMutableBufferPointer(rebasing: chosen[..<k])
        let places =
          !isHot ? 0..<expertCount : k < hot.count ? 0..<hot.count : hot.count..<expertCount
        chosen[k] = random.number(in: places, except: taken)
      }
      for k in 0..<chosen.count { chosen[k] = expert(chosen[k], of: hot) }
    }
  }
}
