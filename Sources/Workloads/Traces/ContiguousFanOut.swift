// SPDX-License-Identifier: Apache-2.0
// epsim: how many ranks a token visits when experts are placed contiguously.

/// Distinct ranks per token and layer with expert e on rank floor(e R / E), for several R at once.
public struct ContiguousFanOut: Sendable {
  /// The counts of ranks that are looked at: 2, 4, ... 64, as far as there are experts.
  public let rankCounts: [Int]
  public let layerCount: Int
  private let expertCount: Int
  private let topK: Int
  /// [R's, E] the rank of an expert, as a bit.
  private let bits: [UInt64]
  /// [R's, L] sums over tokens.
  private var sums: [Int]
  /// Tokens that were counted.
  public private(set) var tokenCount = 0

  public init(shape: TraceShape) {
    expertCount = shape.expertCount
    layerCount = shape.layerCount
    topK = shape.topK
    rankCounts = [2, 4, 8, 16, 32, 64].filter { $0 <= shape.expertCount }
    bits = rankCounts.flatMap { ranks in
      (0..<shape.expertCount).map { 1 << UInt64($0 * ranks / shape.expertCount) }
    }
    sums = Array(repeating: 0, count: rankCounts.count * layerCount)
  }

  /// Counts a window of the trace.
  public mutating func add(_ window: RoutingTrace) {
    tokenCount += window.tokenCount
    let (layers, experts, topK) = (layerCount, expertCount, topK)
    window.expertIndices.withUnsafeBufferPointer { ids in
      bits.withUnsafeBufferPointer { bits in
        sums.withUnsafeMutableBufferPointer { sums in
          for setting in 0..<rankCounts.count {
            for row in 0..<window.tokenCount * layers {
              var visited: UInt64 = 0
              for index in row * topK..<(row + 1) * topK {
                visited |= bits[setting * experts + Int(ids[index])]
              }
              sums[setting * layers + row % layers] += visited.nonzeroBitCount
            }
          }
        }
      }
    }
  }

  /// Mean distinct ranks per token, in a layer counted from the first recorded one.
  public func mean(rankCount: Int, layer: Int) -> Double {
    guard let setting = rankCounts.firstIndex(of: rankCount) else {
      preconditionFailure("\(rankCount) ranks, counted were \(rankCounts)")
    }
    return Double(sums[setting * layerCount + layer]) / Double(tokenCount)
  }

  /// Mean distinct ranks per token and layer.
  public func mean(rankCount: Int) -> Double {
    (0..<layerCount).reduce(0) { $0 + mean(rankCount: rankCount, layer: $1) } / Double(layerCount)
  }

  /// What to expect where every set of K experts is equally likely.
  ///
  /// A rank with n of E experts is missed with probability C(E - n, K) / C(E, K); the expectation is
  /// the sum over ranks of the opposite, R (1 - C(E - E/R, K) / C(E, K)) where R divides E.
  /// - Precondition: 1 <= K <= E; at least one rank.
  public static func uniform(expertCount: Int, topK: Int, rankCount: Int) -> Double {
    precondition(topK >= 1 && topK <= expertCount, "top-k \(topK) of \(expertCount) experts")
    precondition(rankCount >= 1, "\(rankCount) ranks")
    return (0..<rankCount).reduce(0) { sum, rank in
      // Experts e with floor(e R / E) = rank.
      let start = (rank * expertCount + rankCount - 1) / rankCount
      let end = ((rank + 1) * expertCount + rankCount - 1) / rankCount
      var missed = 1.0
      for slot in 0..<topK {
        missed *= Double(max(expertCount - (end - start) - slot, 0)) / Double(expertCount - slot)
      }
      return sum + 1 - missed
    }
  }
}
