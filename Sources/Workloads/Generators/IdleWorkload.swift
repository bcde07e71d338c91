// SPDX-License-Identifier: Apache-2.0
// epsim: routing that never chooses some experts.

public import MoE

/// The first experts are never chosen; each token chooses K of the others uniformly.
///
/// Under contiguous placement the ranks of the idle experts receive nothing. At least K experts
/// stay in use, so fewer are idle than asked for where K is large.
/// Choices and weights are a pure function of (seed, step, layer, position); weights are those of
/// ``UniformWorkload``.
/// Source: workload W5 of github.com/NVIDIA/Megatron-LM, pull request 7488, which has half idle.
public struct IdleWorkload: RoutingSource {
  public let name: String
  public let expertCount: Int
  public let topK: Int
  /// Experts `0 ..< idleCount` are never chosen.
  public let idleCount: Int

  private let keys: RoutingKeys

  /// - Parameter share: share of the experts that are idle, 0 to 1.
  /// - Precondition: 1 <= K <= E.
  public init(
    share: Double, expertCount: Int, topK: Int, seed: UInt64, name: String = "idle"
  ) {
    precondition(topK >= 1 && topK <= expertCount, "top-k \(topK) of \(expertCount) experts")
    precondition((0...1).contains(share), "share \(share)")
    self.name = name
    self.expertCount = expertCount
    self.topK = topK
    idleCount = min(Int(share * Double(expertCount)), expertCount - topK)
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
        chosen[k] = random.number(in: idleCount..<expertCount, except: taken)
      }
    }
  }
}
