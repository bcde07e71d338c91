// SPDX-License-Identifier: Apache-2.0
// epsim: what was measured of a cluster, before anything is fitted to it.

public import CostModel

/// Times of the parts of a layer on even loads, to which the parameters of a profile are fitted.
///
/// A time is that of the slowest rank, the median over repetitions.
public struct ClusterSamples: Sendable {
  /// Where the rows of an exchange went.
  public enum Level: String, Sendable, CaseIterable {
    /// To ranks of the same node.
    case inside
    /// To ranks of other nodes.
    case between
  }

  /// Dispatch or combine among ranks that enter together.
  public struct Exchange: Sendable {
    public var level: Level
    /// Ranks of a node that send at once.
    public var sendersPerNode: Int
    /// Blocks that a rank sends to others.
    public var messages: Double
    /// Bytes that a rank sends to others.
    public var bytes: Bytes
    public var time: Seconds

    public init(
      level: Level, sendersPerNode: Int, messages: Double, bytes: Bytes, time: Seconds
    ) {
      self.level = level
      self.sendersPerNode = sendersPerNode
      self.messages = messages
      self.bytes = bytes
      self.time = time
    }
  }

  /// The experts of a rank, each with as many rows.
  public struct Experts: Sendable {
    public var count: Double
    public var rows: Double
    public var widths: ExpertWidths
    public var time: Seconds

    public init(count: Double, rows: Double, widths: ExpertWidths, time: Seconds) {
      self.count = count
      self.rows = rows
      self.widths = widths
      self.time = time
    }
  }

  /// Something whose time grows with an amount: bytes that are copied, assignments that are planned.
  public struct Amount: Sendable {
    public var amount: Double
    public var time: Seconds

    public init(amount: Double, time: Seconds) {
      self.amount = amount
      self.time = time
    }
  }

  public var exchanges: [Exchange] = []
  public var experts: [Experts] = []
  /// Bytes read by pack, group, ungroup and reduce together.
  public var copies: [Amount] = []
  /// Assignments of a rank, and the time of their plan.
  public var plans: [Amount] = []

  public init() {}
}
