// SPDX-License-Identifier: Apache-2.0
// epsim: a workload whose experts take no more than their capacity.

public import MoE
internal import Synchronization

/// Drops what exceeds the experts' capacity from a workload's routing.
///
/// With the scope `rank` the positions of one call are the batch, so a call must ask for all tokens
/// of a rank; with `global` the batch is the whole step, whatever is asked for.
public struct CapacityLimitedSource: RoutingSource {
  private let base: any RoutingSource
  private let rule: CapacityRule
  private let windowSize: Int
  private let seed: UInt64
  private let cache = StepCache()

  public var name: String { base.name }
  public var expertCount: Int { base.expertCount }
  public var topK: Int { base.topK }

  /// - Parameters:
  ///   - windowSize: T, tokens of a step over all ranks.
  ///   - seed: of random drops.
  /// - Throws: ``InputError`` for rerouting, which needs scores that a workload does not have.
  public init(_ base: any RoutingSource, rule: CapacityRule, windowSize: Int, seed: UInt64) throws {
    guard rule.policy != .reroute else {
      throw InputError(
        "drop policy reroute needs the scores of all experts, which \(base.name) does not have; "
          + "accepted are position, probability, random, or --workload router")
    }
    self.base = base
    self.rule = rule
    self.windowSize = windowSize
    self.seed = seed
  }

  public func hasLayer(_ layer: Int) -> Bool { base.hasLayer(layer) }

  public func route(
    layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
  ) {
    requireFit(decision, count: positions.count, layer: layer)
    switch rule.scope {
    case .rank:
      base.route(layer: layer, step: step, positions: positions, into: &decision)
      limit(&decision, layer: layer, step: step, positions: positions)
    case .global:
      let whole = cache.decision(step: step, layer: layer) {
        let all = (0..<Int32(windowSize)).map { $0 }
        var whole = RoutingDecision(tokenCount: windowSize, topK: topK)
        base.route(layer: layer, step: step, positions: all.span, into: &whole)
        limit(&whole, layer: layer, step: step, positions: all.span)
        return whole
      }
      for row in 0..<positions.count {
        let source = Int(positions[row]) * topK
        for k in 0..<topK {
          decision.expertIndices[row * topK + k] = whole.expertIndices[source + k]
          decision.routingWeights[row * topK + k] = whole.routingWeights[source + k]
        }
      }
    }
  }

  private func limit(
    _ decision: inout RoutingDecision, layer: Int, step: Int, positions: Span<Int32>
  ) {
    let limiter = CapacityLimiter(
      rule: rule, expertCount: expertCount, assignmentCapacity: positions.count * topK, seed: seed)
    let tokens = positions.indices.map { UInt64(step * windowSize) + UInt64(positions[$0]) }
    tokens.withUnsafeBufferPointer {
      limiter.limit(&decision, tokens: $0, topK: topK, layer: layer)
    }
  }
}

/// The decision of the layer and step that was asked for last, so that not every rank's share of a
/// global batch routes it anew.
private final class StepCache: Sendable {
  private struct Entry {
    let step: Int
    let layer: Int
    let decision: RoutingDecision
  }

  private let last = Mutex<Entry?>(nil)

  func decision(step: Int, layer: Int, _ make: () -> RoutingDecision) -> RoutingDecision {
    last.withLock { last in
      if let last, last.step == step, last.layer == layer { return last.decision }
      let made = make()
      last = Entry(step: step, layer: layer, decision: made)
      return made
    }
  }
}
