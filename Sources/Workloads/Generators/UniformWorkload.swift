// SPDX-License-Identifier: Apache-2.0
// epsim: routing in which every set of K experts is equally likely.

public import MoE

/// Each token chooses K of E experts uniformly, without replacement.
///
/// Choices and weights are a pure function of (seed, step, layer, position). The routing weights
/// are random and sum to 1: each is proportional to 1/4 + u with u uniform in [0, 1), so they vary
/// by up to a factor of five within a token. They are independent of the choice.
public struct UniformWorkload: RoutingSource {
  public let name: String
  public let expertCount: Int
  public let topK: Int
  /// The seed of every draw.
  public let seed: UInt64

  private let keys: RoutingKeys

  /// - Parameter name: what tables call it; `ragged` routes uniformly too.
  /// - Precondition: 1 <= K <= E.
  public init(expertCount: Int, topK: Int, seed: UInt64, name: String = "uniform") {
    precondition(topK >= 1 && topK <= expertCount, "top-k \(topK) of \(expertCount) experts")
    self.name = name
    self.expertCount = expertCount
    self.topK = topK
    self.seed = seed
    keys = RoutingKeys(seed: seed)
  }

  public func hasLayer(_ layer: Int) -> Bool { layer >= 0 }

  public func route(
    layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
  ) {
    requireFit(decision, count: positions.count, layer: layer)
    let key = keys.key(step: step, layer: layer)
    forEachRow(positions, key: key, into: &decision) { _, chosen, random in
      for k in 0..<chosen.count {
        let taken = UnsafeMutableBufferPointer(rebasing: chosen[..<k])
        chosen[k] = random.number(in: 0..<expertCount, except: taken)
      }
    }
  }
}
