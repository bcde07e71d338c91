// SPDX-License-Identifier: Apache-2.0
// epsim: how placements age, as a table.

internal import Foundation
public import Placement

/// Drift of several placements as text.
public struct DriftReport {
  private let rows: [(name: String, drift: PlacementDrift)]
  private let windowTokens: Int

  /// - Parameter windowTokens: tokens of a window.
  /// - Precondition: at least one row, all over the same windows.
  public init(_ rows: [(name: String, drift: PlacementDrift)], windowTokens: Int) {
    self.rows = rows
    self.windowTokens = windowTokens
  }

  public var text: String {
    let lags = rows[0].drift.lags.map(\.windows)
    var table = TextTable(
      [("fitted to each window", .left)]
        + lags.map { ("load\n+\($0)", .right) }
        + lags.map { ("loss\n+\($0)", .right) }
        + [("moved\na re-fit", .right), ("share of\nslots", .right), ("kept\n(Jaccard)", .right)])
    for row in rows {
      table.add(
        [TextTable.wrapped(row.name)] + row.drift.lags.map { Quantity.fixed($0.score, 3) }
          + row.drift.lags.map { Quantity.percent($0.overOwnFit - 1) }
          + [
            Quantity.fixed(row.drift.movedSlots, 1), Quantity.percent(row.drift.movedShare),
            Quantity.fixed(row.drift.similarity, 2),
          ])
    }
    return table.text + "\n\n"
      + Paragraph(
        "Windows of \(windowTokens) tokens. Load +h: max/mean of a placement fitted h windows earlier; "
          + "loss +h: against one fitted to the window itself. Moved: slots over all layers, ranks "
          + "relabelled inside nodes.", indent: 0
      ).text
  }
}
