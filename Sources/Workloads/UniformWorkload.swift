// SPDX-License-Identifier: Apache-2.0
// epsim: routing in which every set of K experts is equally likely.

public import MoE

/// Each token chooses K of E experts uniformly, without replacement.
///
/// Choices and weights are a pure function of (seed, step, layer, position). The routing weights
/// are random and sum to 1: each is proportional to 1/4 + u with u uniform in [0, 1), so they vary
/// by up to a factor of five within a token. They are independent of the choice.
public struct UniformWorkload: RoutingSource {
  public let name = "uniform"
  public let expertCount: Int
  public let topK: Int
  /// The seed of every draw.
  public let seed: UInt64

  private let keys: RoutingKeys

  /// - Precondition: 1 <= K <= E.
  public init(expertCount: Int, topK: Int, seed: UInt64) {
    precondition(topK >= 1 && topK <= expertCount, "top-k \(topK) of \(expertCount) experts")
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
    for row in 0..<positions.count {
      var random = RandomDraws(key: key, number: Int(positions[row]))
      let start = row * topK
      decision.expertIndices.withUnsafeMutableBufferPointer { chosen in
        for k in 0..<topK {
          // The draw-th of the experts that are not chosen yet: step over the chosen ones.
          let draw = Int32(random.below(expertCount - k))
          var expert = draw
          while true {
            let passed = draw + chosenCount(chosen, start..<start + k, upTo: expert)
            if passed == expert { break }
            expert = passed
          }
          chosen[start + k] = expert
        }
      }
      fillWeights(&decision, row: row, from: &random)
    }
  }

  @inline(__always)
  private func chosenCount(
    _ chosen: UnsafeMutableBufferPointer<Int32>, _ range: Range<Int>, upTo expert: Int32
  ) -> Int32 {
    var count: Int32 = 0
    for index in range where chosen[index] <= expert { count += 1 }
    return count
  }
}

/// Positive weights that sum to 1, each proportional to 1/4 + u.
@inline(__always)
func fillWeights(_ decision: inout RoutingDecision, row: Int, from random: inout RandomDraws) {
  let topK = decision.topK
  decision.routingWeights.withUnsafeMutableBufferPointer { weights in
    var sum: Float = 0
    for index in row * topK..<(row + 1) * topK {
      weights[index] = 0.25 + Float(random.unit())
      sum += weights[index]
    }
    for index in row * topK..<(row + 1) * topK { weights[index] /= sum }
  }
}
