// SPDX-License-Identifier: Apache-2.0
// epsim: where the experts' choices of a case come from.

internal import MoE
public import Workloads

/// Where the experts' choices of a case come from.
public enum CaseRouting: Sendable {
  /// Norm, gate product, rule and capacity, computed in every layer.
  case router(LiveRouting)
  /// Looked up in a trace or generator, its drops included; only the norm is computed.
  case workload(any RoutingSource)

  /// Whether a router computes them.
  var isLive: Bool { if case .router = self { true } else { false } }

  /// Choices per token that a decision has room for.
  var choiceWidth: Int {
    switch self {
    case .router(let live): live.choiceWidth
    case .workload(let source): source.topK
    }
  }

  /// The most rows that so many tokens send.
  func rowLimit(tokenCount: Int) -> Int {
    switch self {
    case .router(let live): live.rowLimit(tokenCount: tokenCount)
    case .workload(let source): tokenCount * source.topK
    }
  }

  /// K, experts per token.
  public var topK: Int {
    switch self {
    case .router(let live): live.topK
    case .workload(let source): source.topK
    }
  }
}
