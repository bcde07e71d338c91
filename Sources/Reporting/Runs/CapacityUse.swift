// SPDX-License-Identifier: Apache-2.0
// epsim: what a capacity dropped and what it left empty.

internal import Placement

/// What became of the slots that a capacity offers, per step over all layers and ranks.
public struct CapacityUse: Codable, Sendable {
  /// What is known before a run.
  public struct Offer: Sendable {
    /// Assignments that all experts of all layers take at most in a step.
    public let slotsPerStep: Double
    /// Share of the assignments that the experts' popularity lets expect as dropped.
    public let forecastDroppedShare: Double?

    public init(slotsPerStep: Double, forecastDroppedShare: Double?) {
      self.slotsPerStep = slotsPerStep
      self.forecastDroppedShare = forecastDroppedShare
    }
  }

  /// E C of every batch and layer.
  public var slots: Double
  /// Assignments that hold a slot; with the dropped ones T K of every layer.
  public var kept: Double
  /// Assignments that found none.
  public var dropped: Double
  /// Dropped assignments over all.
  public var droppedShare: Double
  /// The same as forecast from popularity; null where it cannot be.
  @ExplicitNull public var forecastDroppedShare: Double? = nil
  /// Tokens of a layer without any expert, over all.
  public var droppedTokenShare: Double
  /// Slots that hold an assignment.
  public var utilisation: Double
  /// Rows that experts padded to their capacity compute, over those that hold an assignment.
  public var paddedOverKept: Double

  /// - Parameters:
  ///   - total: counters of all layers over all steps.
  ///   - steps: how many there were.
  init(_ offer: Offer, _ total: LayerTraffic, steps: Int = 1) {
    func perStep(_ count: Int) -> Double { Double(count) / Double(steps) }
    slots = offer.slotsPerStep
    kept = perStep(total.assignments)
    dropped = perStep(total.droppedAssignments)
    droppedShare = dropped / max(1, kept + dropped)
    droppedTokenShare = Double(total.droppedTokens) / Double(max(1, total.tokens))
    utilisation = slots > 0 ? kept / slots : 0
    paddedOverKept = kept > 0 ? slots / kept : 0
    forecastDroppedShare = offer.forecastDroppedShare
  }
}

/// Drops and empty slots of cases as text.
struct CapacityTable {
  private let rows: [(name: String, use: CapacityUse)]

  /// - Parameter rows: those with a capacity.
  init(_ rows: [(name: String, use: CapacityUse)]) { self.rows = rows }

  /// Empty where no case has a capacity.
  var text: String {
    guard !rows.isEmpty else { return "" }
    var table = TextTable([
      ("case", .left), ("slots\nper step", .right), ("kept\nper step", .right),
      ("dropped\nper step", .right), ("dropped\nshare", .right), ("forecast\nshare", .right),
      ("tokens, no\nexpert", .right), ("slots\nused", .right), ("padded\n/ kept", .right),
    ])
    for (name, use) in rows {
      table.add([
        TextTable.wrapped(name, width: 22), Self.count(use.slots), Self.count(use.kept),
        Self.count(use.dropped), Quantity.percent(use.droppedShare, 2),
        use.forecastDroppedShare.map { Quantity.percent($0, 2) } ?? "n/a",
        Quantity.percent(use.droppedTokenShare, 2), Quantity.percent(use.utilisation, 1),
        Quantity.fixed(use.paddedOverKept, 3),
      ])
    }
    return table.text
      + "\n\nper step: assignments of all layers and ranks; forecast: mean of random batches with the"
      + "\npopularity of the fitted tokens; padded: slots, which experts padded to their capacity would"
      + "\ncompute (here only kept rows are computed); drops in a rank's batch depend on the ranks"
  }

  /// Means over steps need not be whole.
  private static func count(_ value: Double) -> String {
    Quantity.fixed(value, value == value.rounded() ? 0 : 1)
  }
}
