// SPDX-License-Identifier: Apache-2.0
// epsim: which copy of a replicated expert serves an assignment.

/// The rule that picks one of an expert's copies.
///
/// Tokens are numbered by their position in the batch of their source rank, from 0 in every step;
/// copies by their slot, ascending. No rule draws on anything but the batch, so all ranks agree.
public enum ReplicaChoice: String, Sendable, CaseIterable, Codable {
  /// Copies in turn: (earlier uses of the expert by this source rank in this batch + source rank)
  /// modulo copies. Source: TensorRT-LLM `moeLoadBalancer`, per-expert round robin.
  case expertRoundRobin = "expert-rr"
  /// Copies on the source rank if there are any, else those on its node, else all; in turn as above
  /// among them.
  case nearest
  /// (token x 2654435769 modulo 2^32) modulo copies: Knuth's multiplicative hash. Source: vLLM, its
  /// later versions.
  case tokenHash = "token-hash"
  /// (token x K + place among the token's choices) modulo copies: where copies divide K, the place
  /// decides, not the token. Source: vLLM, one version.
  case flatModulo = "flat-mod"
  /// Source rank modulo copies. Source: vllm-ascend.
  case rankStatic = "rank-static"
  /// Uniform, independent draws. Source: SGLang, `dynamic`.
  case random
  /// The nearest copies as above, in proportion to 1 / the load of their ranks that even dealing
  /// predicts. Source: GRACE-MoE, topology-aware routing with weighted round robin.
  case tieredRoundRobin = "tier-wrr"
  /// The smallest possible load of the fullest rank, exactly. Source: LPLB, as a maximum flow.
  case minMaxSplit = "split"
  /// The same smallest load, and with it the fewest assignments that leave their node, exactly.
  case localSplit = "split-local"
  /// Each expert by one copy, so that the largest number of experts that a rank computes is the
  /// smallest possible, exactly. Source: the objective of METRO, arXiv:2512.09277.
  case fewestActive = "fewest-active"
  /// Few ranks per token: its own rank, then its node, then the rank that serves most of what is
  /// left (greedy set cover).
  case setCover = "cover"

  /// Whether copies on the source's rank or node come before others.
  public var prefersNear: Bool {
    switch self {
    case .nearest, .tieredRoundRobin, .localSplit, .setCover: true
    case .expertRoundRobin, .tokenHash, .flatModulo, .rankStatic, .random, .minMaxSplit,
      .fewestActive:
      false
    }
  }

  /// Whether it needs what the tokens of all ranks chose, as counts by rank and expert.
  public var needsCounts: Bool {
    switch self {
    case .tieredRoundRobin, .minMaxSplit, .localSplit, .fewestActive: true
    case .expertRoundRobin, .nearest, .tokenHash, .flatModulo, .rankStatic, .random, .setCover:
      false
    }
  }
}
