// SPDX-License-Identifier: Apache-2.0
// epsim: where the experts' choices of a case come from.

public import MoE
public import Workloads

/// Where the experts' choices of a case come from.
public enum CaseRouting: Sendable {
  /// Norm, gate product, rule and capacity, computed in every layer.
  case router(LiveRouting)
  /// Looked up in a trace or generator, its drops included; only the norm is computed.
  case workload(any RoutingSource)

  /// Whether a router computes them.
  var isLive: Bool { if case .router = self { true } else { false } }

  /// K, experts per token.
  public var topK: Int {
    switch self {
    case .router(let live): live.topK
    case .workload(let source): source.topK
    }
  }
}

/// How a router routes while the run goes.
public struct LiveRouting: Sendable {
  /// K, experts per token.
  public var topK: Int
  /// What the experts take at most; nil for all that is sent.
  public var capacity: CapacityRule?

  public init(topK: Int, capacity: CapacityRule? = nil) {
    self.topK = topK
    self.capacity = capacity
  }
}
