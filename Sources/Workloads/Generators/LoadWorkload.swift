// SPDX-License-Identifier: Apache-2.0
// epsim: routing that reproduces the expert loads of a file.

public import MoE

/// Each token gets K distinct experts so that expert e is among them with a given probability.
///
/// The probability is pi_e = K load_e / sum of the layer's loads. No expert can be chosen twice by
/// a token, so where that exceeds 1 it is 1 and the other loads share the rest, again in
/// proportion. The experts' probabilities are laid end to end on a line of length K, in random
/// order, and a token takes the experts at u, u + 1, ..., u + K - 1 with u uniform in [0, 1):
/// no interval is longer than 1, so they are distinct, and each is hit with probability pi_e.
/// Lengths are whole multiples of 2^-40, so that both hold exactly.
///
/// A single order would always pair the same experts; each token takes one of several orders of its
/// layer. Choices cost O(K log E) and are a pure function of (seed, step, layer, position); their
/// order within a token is random, and weights are those of ``UniformWorkload``.
/// Source: systematic sampling, Madow, "On the theory of systematic sampling, II", Annals of
/// Mathematical Statistics 20, 1949.
public struct LoadWorkload: RoutingSource {
  public let name: String
  public let expertCount: Int
  public let topK: Int
  /// The layers that can be routed: the rows of the load.
  public let layers: [Int]

  private static let one = 1 << 40
  private static let maximumOrderCount = 64

  private let keys: RoutingKeys
  /// [largest layer + 1] row of each layer, -1 where there is none.
  private let rowOfLayer: [Int]
  /// Orders of each row.
  private let orderCount: Int
  /// [rows, orders, E] experts in each order.
  private let experts: [Int32]
  /// [rows, orders, E] ends of their intervals on the line, in units of 2^-40.
  private let ends: [Int]

  /// - Parameter name: what errors and tables call it.
  /// - Throws: ``InputError`` where fewer than K experts of a layer have a load, or the tables would
  ///   need too much memory.
  /// - Precondition: 1 <= K <= E.
  public init(load: LoadHistogram, topK: Int, seed: UInt64, name: String = "load") throws {
    let expertCount = load.expertCount
    precondition(topK >= 1 && topK <= expertCount, "top-k \(topK) of \(expertCount) experts")
    let entries = load.layers.count * expertCount
    guard entries <= PopularityTable.maximumCount else {
      throw InputError(
        "workload \(name): \(load.layers.count) layers of \(expertCount) experts need too much "
          + "memory, accepted are at most \(PopularityTable.maximumCount) loads")
    }
    self.name = name
    self.expertCount = expertCount
    self.topK = topK
    layers = load.layers
    keys = RoutingKeys(seed: seed)
    var rowOfLayer = Array(repeating: -1, count: (load.layers.last ?? -1) + 1)
    for (row, layer) in load.layers.enumerated() { rowOfLayer[layer] = row }
    self.rowOfLayer = rowOfLayer
    orderCount = min(
      Self.maximumOrderCount, max(1, PopularityTable.maximumCount / 4 / max(1, entries)))
    let orderKey = CounterRandom(seed: seed, 0x2020).key
    var experts: [Int32] = []
    var ends: [Int] = []
    experts.reserveCapacity(entries * orderCount)
    ends.reserveCapacity(entries * orderCount)
    for (row, layer) in load.layers.enumerated() {
      guard load.row(row).count(where: { $0 > 0 }) >= topK else {
        throw InputError(
          "workload \(name): fewer than \(topK) experts of layer \(layer) have a load, a token "
            + "needs \(topK) different ones")
      }
      let lengths = Self.lengths(load.row(row), topK: topK)
      for number in 0..<orderCount {
        var random = RandomDraws(key: orderKey, number: row * orderCount + number)
        var order = (0..<Int32(expertCount)).map { $0 }
        random.shuffle(&order)
        var end = 0
        for expert in order {
          end += lengths[Int(expert)]
          ends.append(end)
        }
        experts += order
      }
    }
    self.experts = experts
    self.ends = ends
  }

  /// [E] the probabilities that each expert is among the K of a token.
  ///
  /// - Precondition: at least K loads are positive, none is negative.
  public static func probabilities(_ loads: some Collection<Int>, topK: Int) -> [Double] {
    lengths(loads, topK: topK).map { Double($0) / Double(one) }
  }

  /// [E] probabilities in units of 2^-40; they sum to K exactly.
  private static func lengths(_ loads: some Collection<Int>, topK: Int) -> [Int] {
    let loads = loads.map { Double($0) }
    var isFull = loads.map { _ in false }
    var rest = loads.reduce(0, +)
    var choices = Double(topK)
    // Each round fills what exceeds 1 of what is left, which raises the share of the others.
    while true {
      let full = loads.indices.filter { !isFull[$0] && loads[$0] * choices >= rest && rest > 0 }
      if full.isEmpty { break }
      for expert in full { isFull[expert] = true }
      choices = Double(topK - isFull.count(where: { $0 }))
      rest = zip(loads, isFull).reduce(0) { $1.1 ? $0 : $0 + $1.0 }
      if choices <= 0 { break }
    }
    var lengths = zip(loads, isFull).map { load, isFull in
      isFull ? one : rest > 0 ? min(one, Int(load * choices / rest * Double(one))) : 0
    }
    // What rounding down has left over goes to the longest that are not full.
    var missing = topK * one - lengths.reduce(0, +)
    for expert in loads.indices.sorted(by: { loads[$0] > loads[$1] }) where missing > 0 {
      let more = min(missing, one - lengths[expert])
      lengths[expert] += more
      missing -= more
    }
    return lengths
  }

  public func hasLayer(_ layer: Int) -> Bool {
    rowOfLayer.indices.contains(layer) && rowOfLayer[layer] >= 0
  }

  public func route(
    layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
  ) {
    requireFit(decision, count: positions.count, layer: layer)
    let key = keys.key(step: step, layer: layer)
    let row = rowOfLayer[layer]
    ends.withUnsafeBufferPointer { ends in
      experts.withUnsafeBufferPointer { experts in
        forEachRow(positions, key: key, into: &decision) { _, chosen, random in
          let first = (row * orderCount + random.below(orderCount)) * expertCount
          var point = random.below(Self.one)
          for k in 0..<chosen.count {
            // The first interval that ends after the point.
            var (low, high) = (first, first + expertCount - 1)
            while low < high {
              let middle = (low + high) / 2
              if ends[middle] > point { high = middle } else { low = middle + 1 }
            }
            chosen[k] = experts[low]
            point += Self.one
          }
          for last in stride(from: chosen.count - 1, to: 0, by: -1) {
            chosen.swapAt(last, random.below(last + 1))
          }
        }
      }
    }
  }
}
