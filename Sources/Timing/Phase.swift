// SPDX-License-Identifier: Apache-2.0
// epsim: the phases of a layer, in the order in which they run.

/// A phase of one MoE layer on one rank. docs/measurement.md defines each.
///
/// Only ``dispatch`` and ``combine`` communicate. What a step spends outside its phases is `other`.
public enum Phase: Int, Sendable, CaseIterable {
  /// Norm, gate product and routing rule (norm only where choices come from a workload).
  case route
  /// Replica choice and counting sort: which row goes where.
  case plan
  /// Rows into the send buffer, in wire format.
  case pack
  /// Counts and rows to the ranks of their experts; the entry stamp lies before the counts.
  case dispatch
  /// Received rows by expert slot, in compute format.
  case group
  /// The FFN of every slot that received rows.
  case expert
  /// The shared experts, on the token's own rank.
  case shared
  /// Results back into the order in which their rows arrived.
  case ungroup
  /// Results back to the ranks of their tokens.
  case combine
  /// The weighted sum in ascending k, plus shared experts and residual.
  case reduce

  /// The name used in tables and records.
  public var name: String { "\(self)" }

  /// A phase that communicates.
  public enum Exchange: Sendable, CaseIterable {
    case dispatch
    case combine

    /// The phase.
    public var phase: Phase { self == .dispatch ? .dispatch : .combine }
  }
}
