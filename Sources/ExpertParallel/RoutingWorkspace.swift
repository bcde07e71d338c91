// SPDX-License-Identifier: Apache-2.0
// epsim: what the routers of a case work in; layers run in turn and share it.

internal import MPI
internal import MoE

/// Memory of a case's live routers, allocated before the first step.
final class RoutingWorkspace {
  /// Where the logits of the whole step are gathered; nil where the rank's are enough.
  let global: GlobalBatch?
  /// Limits what experts take; nil where nothing is dropped.
  let limiter: CapacityLimiter?
  /// What rules work in.
  let scratch: UnsafeMutableBufferPointer<Float>

  /// - Parameter rules: the routers of the case's layers.
  init(
    _ live: LiveRouting, rules: [any Router], configuration: RunConfiguration, rank: Int
  ) {
    let experts = configuration.model.expertCount
    let isGlobal = live.capacity?.scope == .global
    global =
      isGlobal
      ? GlobalBatch(configuration, rank: rank, expertCount: experts, live.choiceWidth) : nil
    let tokens = Self.tokens(live, configuration, rank: rank)
    limiter = live.capacity.map {
      CapacityLimiter(
        rule: $0, expertCount: experts, assignmentCapacity: tokens * live.choiceWidth,
        seed: configuration.seed)
    }
    scratch = .zeroed(rules.map { $0.scratchCount(tokenCount: tokens) }.max() ?? 0)
  }

  deinit { scratch.deallocate() }

  /// Bytes that a case needs for it.
  static func byteCount(_ live: LiveRouting, _ configuration: RunConfiguration, rank: Int) -> Int {
    let experts = configuration.model.expertCount
    let tokens = tokens(live, configuration, rank: rank)
    let global =
      live.capacity?.scope == .global
      ? GlobalBatch.byteCount(
        tokens: tokens, expertCount: experts, choiceWidth: live.choiceWidth) : 0
    let limiter =
      live.capacity == nil
      ? 0
      : CapacityLimiter.byteCount(
        expertCount: experts, assignmentCapacity: tokens * live.choiceWidth)
    return global + limiter + 4 * live.scratchCount(tokenCount: tokens)
  }

  private static func tokens(
    _ live: LiveRouting, _ configuration: RunConfiguration, rank: Int
  ) -> Int {
    live.capacity?.scope == .global
      ? configuration.tokenCount : configuration.tokenCapacity(rank: rank)
  }
}
