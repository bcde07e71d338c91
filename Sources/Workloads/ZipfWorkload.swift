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
  /// [layerCount, E] expert at each popularity rank.
  private let order: [Int32]
  /// [E] popularity of each rank, 1 for the first.
  private let popularity: [Double]
  /// [E] share of the popularity held by the ranks up to and including each; the last is 1.
  private let cumulative: [Double]

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
    // The second number keeps this stream apart from other uses of the seed.
    let orderKey = CounterRandom(seed: seed, 0x2018).key
    order = (0..<layerCount).flatMap { layer in
      var experts = (0..<Int32(expertCount)).map { $0 }
      var random = RandomDraws(key: orderKey, number: layer)
      random.shuffle(&experts)
      return experts
    }
    popularity = (1...expertCount).map { pow(Double($0), -exponent) }
    var sum = 0.0
    let sums = popularity.map { share in
      sum += share
      return sum
    }
    cumulative = sums.map { $0 / sum }
  }

  public func hasLayer(_ layer: Int) -> Bool { (0..<layerCount).contains(layer) }

  public func route(
    layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
  ) {
    requireFit(decision, count: positions.count, layer: layer)
    let key = keys.key(step: step, layer: layer)
    for row in 0..<positions.count {
      var random = RandomDraws(key: key, number: Int(positions[row]))
      decision.expertIndices.withUnsafeMutableBufferPointer { experts in
        cumulative.withUnsafeBufferPointer { cumulative in
          let chosen = UnsafeMutableBufferPointer(rebasing: experts[row * topK..<(row + 1) * topK])
          drawRanks(into: chosen, cumulative, &random)
          for k in 0..<topK {
            chosen[k] = order[layer * expertCount + Int(chosen[k])]
          }
        }
      }
      fillWeights(&decision, row: row, from: &random)
    }
  }

  /// Draws K distinct popularity ranks.
  ///
  /// Drawing from all and rejecting what is taken has the law of drawing among the rest. Steep
  /// laws would reject for long, so after a few tries the rest is walked through instead.
  private func drawRanks(
    into chosen: UnsafeMutableBufferPointer<Int32>, _ cumulative: UnsafeBufferPointer<Double>,
    _ random: inout RandomDraws
  ) {
    for k in 0..<chosen.count {
      let taken = UnsafeMutableBufferPointer(rebasing: chosen[..<k])
      var tries = 0
      var rank = Self.rank(at: random.unit(), in: cumulative)
      while tries < 8, taken.contains(rank) {
        rank = Self.rank(at: random.unit(), in: cumulative)
        tries += 1
      }
      if taken.contains(rank) {
        rank = rankAmongRest(at: random.unit(), except: taken)
      }
      chosen[k] = rank
    }
  }

  /// The first rank whose cumulative share exceeds `share`.
  @inline(__always)
  private static func rank(at share: Double, in cumulative: UnsafeBufferPointer<Double>) -> Int32 {
    var (low, high) = (0, cumulative.count - 1)
    while low < high {
      let middle = (low + high) / 2
      if cumulative[middle] > share { high = middle } else { low = middle + 1 }
    }
    return Int32(low)
  }

  private func rankAmongRest(
    at share: Double, except taken: UnsafeMutableBufferPointer<Int32>
  ) -> Int32 {
    popularity.withUnsafeBufferPointer { popularity in
      var rest = 0.0
      for rank in 0..<popularity.count where !taken.contains(Int32(rank)) {
        rest += popularity[rank]
      }
      var passed = 0.0
      var last: Int32 = 0
      for rank in 0..<popularity.count where !taken.contains(Int32(rank)) {
        passed += popularity[rank]
        last = Int32(rank)
        if passed > share * rest { break }
      }
      return last
    }
  }
}
