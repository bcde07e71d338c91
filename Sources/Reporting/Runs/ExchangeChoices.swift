// SPDX-License-Identifier: Apache-2.0
// epsim: what moved the rows of a case that chooses, and how well that was foretold.

public import CostModel
internal import Timing

/// How often one way to exchange rows was chosen, and what it took.
public struct ExchangeChoices: Codable, Sendable, Equatable {
  /// One exchange: what was chosen, and what it took on the slowest rank, microseconds.
  public typealias LayerStep = (choice: ExchangeChooser.Choice, us: Double)

  /// Exchanges, one per layer and step.
  public var layerSteps: Int
  /// Exchanges of other sizes than were measured.
  public var extrapolated: Int
  /// Median of the predicted times, microseconds; null where nothing was known of the exchanges.
  @ExplicitNull public var predictedUs: Double? = nil
  /// Median of the times, microseconds.
  public var measuredUs: Double

  /// - Precondition: there is an exchange.
  public init(_ exchanges: [LayerStep]) {
    layerSteps = exchanges.count
    extrapolated = exchanges.count { $0.choice.isExtrapolated }
    measuredUs = Estimate(exchanges.map(\.us)).median
    let predicted = exchanges.map(\.choice.predictedUs).filter { $0 > 0 }
    predictedUs = predicted.isEmpty ? nil : Estimate(predicted).median
  }
}

/// What was chosen, as text.
struct ChoiceTable {
  private let cases: [CaseRecord]

  /// - Parameter cases: those without a choice are left out.
  init(_ cases: [CaseRecord]) { self.cases = cases.filter { $0.choices != nil } }

  var text: String {
    guard !cases.isEmpty else { return "" }
    var table = TextTable([
      ("case", .left), ("chosen: dedup,\ntransport, chunks", .left), ("layer-steps", .right),
      ("extra-\npolated", .right), ("us predicted", .right), ("us measured", .right),
    ])
    for entry in cases {
      let choices = (entry.choices ?? [:]).sorted {
        ($1.value.layerSteps, $0.key) < ($0.value.layerSteps, $1.key)
      }
      for (words, choice) in choices {
        table.add([
          TextTable.wrapped(entry.name), words, "\(choice.layerSteps)", "\(choice.extrapolated)",
          choice.predictedUs.map { Quantity.significant($0) } ?? "-",
          Quantity.significant(choice.measuredUs),
        ])
      }
    }
    return table.text + "\n"
      + Paragraph(
        "Medians per exchange: everything but route and experts, on the slowest rank; waiting for "
          + "late experts is in what was measured only.", indent: 2
      ).text
  }
}
