// SPDX-License-Identifier: Apache-2.0
// epsim: where the routing of a batch comes from when no router computes it.

public import MoE

/// Routing that is looked up, not computed: a recorded trace or a generator.
///
/// A step handles T tokens over all ranks, at positions `0 ..< T`. The routing is a pure function
/// of (workload, step, layer, position), so it is the same for every number of ranks.
public protocol RoutingSource: Sendable {
  /// What tables call it.
  var name: String { get }
  /// E, the routed experts of a layer.
  var expertCount: Int { get }
  /// K, the distinct experts that each token chooses.
  var topK: Int { get }

  /// Whether it can route this layer, in the model's numbering.
  func hasLayer(_ layer: Int) -> Bool

  /// Fills in the routing of the tokens at these positions, outside of measurements.
  ///
  /// Shapes: `positions` [n]; `decision` [n, K], row i for `positions[i]`.
  /// - Precondition: `hasLayer(layer)`, and `decision` has n tokens and K choices.
  func route(layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision)
}

extension RoutingSource {
  /// The checks that every source makes on entry.
  @inline(__always)
  func requireFit(_ decision: borrowing RoutingDecision, count: Int, layer: Int) {
    precondition(
      decision.tokenCount == count && decision.topK == topK,
      "a decision of [\(decision.tokenCount), \(decision.topK)] for [\(count), \(topK)]")
    precondition(hasLayer(layer), "\(name) does not route layer \(layer)")
  }
}
