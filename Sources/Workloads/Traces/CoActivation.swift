// SPDX-License-Identifier: Apache-2.0
// epsim: which experts of a layer are chosen together.

internal import MoE

/// Counts of expert pairs that tokens choose together in one layer.
public struct CoActivation: Sendable {
  /// The most experts whose pairs are counted.
  public static let maximumExpertCount = 4096
  /// Pairs that chance alone would give less often than this are left out of lifts.
  public static let minimumExpectation = 5.0

  /// The layer, counted from the first recorded one.
  public let layer: Int
  public let expertCount: Int
  public let topK: Int
  /// Tokens that were counted.
  public private(set) var tokenCount = 0
  /// [E, E] tokens that chose both, above the diagonal; on it, those that chose the expert.
  private var counts: [Int]

  /// Zeros.
  ///
  /// - Throws: ``InputError`` when there are too many experts.
  /// - Precondition: the trace has the layer.
  public init(shape: TraceShape, layer: Int) throws {
    precondition((0..<shape.layerCount).contains(layer), "layer \(layer) of \(shape.layerCount)")
    guard shape.expertCount <= Self.maximumExpertCount else {
      throw InputError(
        "\(shape.name): pairs of \(shape.expertCount) experts, accepted are up to "
          + "\(Self.maximumExpertCount) experts")
    }
    self.layer = layer
    expertCount = shape.expertCount
    topK = shape.topK
    counts = Array(repeating: 0, count: expertCount * expertCount)
  }

  /// Counts a window of the trace.
  public mutating func add(_ window: RoutingTrace) {
    let (experts, topK) = (expertCount, topK)
    tokenCount += window.tokenCount
    window.expertIndices.withUnsafeBufferPointer { ids in
      counts.withUnsafeMutableBufferPointer { counts in
        for token in 0..<window.tokenCount {
          let start = (token * window.layerCount + layer) * topK
          for i in 0..<topK {
            let first = Int(ids[start + i])
            counts[first * experts + first] += 1
            for j in i + 1..<max(topK, i + 1) {
              let second = Int(ids[start + j])
              counts[min(first, second) * experts + max(first, second)] += 1
            }
          }
        }
      }
    }
  }

  /// Two experts and how often they meet.
  public struct Pair: Sendable, Equatable {
    public let first: Int
    public let second: Int
    /// Tokens that chose both.
    public let tokens: Int
    /// `tokens` over what chance would give.
    public let lift: Double
  }

  /// All pairs that chance would give at least ``minimumExpectation`` times, by falling lift.
  ///
  /// Chance: experts a and b are chosen by n_a and n_b of T tokens; if choices were independent but
  /// for being K distinct ones, n_a n_b / T (1 - 1/K) / (1 - 1/E) tokens would choose both. So every
  /// lift is 1 in expectation where each set of K experts is equally likely.
  public func pairs() -> [Pair] {
    guard topK > 1, tokenCount > 0 else { return [] }
    let distinct = (1 - 1 / Double(topK)) / (1 - 1 / Double(expertCount))
    var pairs: [Pair] = []
    for first in 0..<expertCount {
      for second in first + 1..<max(expertCount, first + 1) {
        let expected =
          Double(load(first)) * Double(load(second)) / Double(tokenCount) * distinct
        guard expected >= Self.minimumExpectation else { continue }
        let tokens = counts[first * expertCount + second]
        pairs.append(
          Pair(first: first, second: second, tokens: tokens, lift: Double(tokens) / expected))
      }
    }
    return pairs.sorted { ($1.lift, $0.first, $0.second) < ($0.lift, $1.first, $1.second) }
  }

  /// Tokens that chose an expert.
  public func load(_ expert: Int) -> Int { counts[expert * expertCount + expert] }

  /// Tokens that chose both of two different experts.
  public func tokens(_ first: Int, _ second: Int) -> Int {
    counts[min(first, second) * expertCount + max(first, second)]
  }
}
