// SPDX-License-Identifier: Apache-2.0
// epsim: the rows that an exchange must move, from counters.

public import CostModel

/// Rows that an exchange moves, as far as they follow from the choices alone.
public struct ExpectedRows: Sendable, Equatable {
  /// One direction.
  public struct Way: Sendable, Equatable {
    /// Rows that leave their rank; nil where the way inside a node decides.
    public let offRank: Int?
    /// Rows that leave their node.
    public let offNode: Int
  }

  /// To the experts.
  public let dispatch: Way
  /// Back from them.
  public let combine: Way

  /// The first figure in which rows that were sent differ, in words; nil where none does.
  public func difference(to volume: ExchangeVolume) -> String? {
    let figures: [(text: String, sent: Int, expected: Int?)] = [
      ("rows left their rank in dispatch", volume.dispatch.rows, dispatch.offRank),
      ("rows left their node in dispatch", volume.dispatch.offNodeRows, dispatch.offNode),
      ("rows left their rank in combine", volume.combine.rows, combine.offRank),
      ("rows left their node in combine", volume.combine.offNodeRows, combine.offNode),
    ]
    let wrong = figures.first { $0.expected != nil && $0.expected != $0.sent }
    return wrong.map { "\($0.sent) \($0.text), counted were \($0.expected!)" }
  }
}

extension LayerTraffic {
  /// Rows that leave ranks and nodes when this traffic is exchanged; nil for `allgather`, which
  /// sends rows whatever the choices are. Padding is no row.
  ///
  /// One per node takes a second way inside the node, which is not counted here.
  public func expectedRows(
    dedup: Dedup, transport: Transport, combine rule: CombineRule
  ) -> ExpectedRows? {
    guard transport != .allGather else { return nil }
    let raw = (offRank: Optional(offRankRaw), offNode: offNodeRaw)
    let dispatch: (offRank: Int?, offNode: Int) =
      switch dedup {
      case .none: raw
      case .rank: (offRankRankDedup, offNodeRankDedup)
      case .node: (nil, offNodeNodeDedup)
      }
    let combine: (offRank: Int?, offNode: Int) =
      switch rule {
      case .preReduced: dispatch
      case .exact: raw
      }
    return ExpectedRows(
      dispatch: ExpectedRows.Way(offRank: dispatch.offRank, offNode: dispatch.offNode),
      combine: ExpectedRows.Way(offRank: combine.offRank, offNode: combine.offNode))
  }
}
