// SPDX-License-Identifier: Apache-2.0
// epsim: which copy of a replicated expert serves an assignment.

/// The rule that picks one of an expert's copies.
public enum ReplicaChoice: String, Sendable, CaseIterable, Codable {
  /// Copies in turn: (earlier uses of the expert by this source rank in this batch + source rank)
  /// modulo copies. Source: TensorRT-LLM `moeLoadBalancer`, per-expert round robin.
  case expertRoundRobin = "expert-rr"
  /// Copies on the source rank if there are any, else those on its node, else all; in turn as above
  /// among them.
  case nearest
}
