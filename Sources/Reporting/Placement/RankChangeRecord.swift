// SPDX-License-Identifier: Apache-2.0
// epsim: what moves with each strategy when ranks come and go.

public import CostModel
public import Placement

/// What `epsim place --rank-change` computed, schema `epsim-rank-change/1`.
public struct RankChangeRecord: Encodable, Sendable {
  /// A strategy under a change.
  public struct Row: Encodable, Sendable {
    public let placement: String
    /// `lost` for a rank that loses its experts, else how many ranks come (+) or leave (-).
    public let change: String
    /// The rank that loses its experts: the one whose loss leaves the most without a copy; null
    /// for the other changes.
    @ExplicitNull public var lostRank: Int?
    public let ranks: Int
    public let movedExperts: Int
    public let leastExperts: Int
    public let withoutCopy: Int
    public let mostIntoARank: Int
    /// Of the moved experts; null where the model is not known.
    @ExplicitNull public var bytes: Double?
    /// Afterwards, on the load that was fitted; null where none is known.
    @ExplicitNull public var maxOverMean: Double?

    /// - Parameters:
    ///   - ranks: how many come or leave; nil for a rank that loses its experts.
    ///   - expertBytes: of one expert.
    public init(
      _ placement: String, ranks: Int?, lostRank: Int? = nil, _ change: RankChange,
      expertBytes: Bytes?, maxOverMean: Double?
    ) {
      self.placement = placement
      self.change = ranks.map { $0 > 0 ? "+\($0)" : "\($0)" } ?? "lost"
      self.lostRank = lostRank
      self.ranks = change.rankCount
      movedExperts = change.moved
      leastExperts = change.least
      withoutCopy = change.withoutCopy
      mostIntoARank = change.largestReceived
      bytes = expertBytes.map { ($0 * Double(change.moved)).value }
      self.maxOverMean = maxOverMean
    }
  }

  public let schema = "epsim-rank-change/1"
  public let ranks: Int
  public let nodes: Int
  public let layers: Int
  /// Placement by placement, each under the same changes.
  public let rows: [Row]

  public init(topology: Topology, layers: Int, rows: [Row]) {
    ranks = topology.rankCount
    nodes = topology.nodeCount
    self.layers = layers
    self.rows = rows
  }
}
