// SPDX-License-Identifier: Apache-2.0
// epsim: what `epsim validate` prints, and others beside their figures.

internal import Projection

/// Predicted against measured, case by case and phase by phase, and what it says about choosing.
public struct ValidationReport {
  private let prediction: PredictionRecord
  /// Whether there were more ranks than cores: times are then no measurement.
  private let isFunctionalOnly: Bool

  public init(_ prediction: PredictionRecord, isFunctionalOnly: Bool) {
    self.prediction = prediction
    self.isFunctionalOnly = isFunctionalOnly
  }

  private var cases: [ValidatedCase] { prediction.cases }

  public var text: String {
    var table = TextTable([
      ("case, phase", .left), ("predicted", .right), ("measured", .right),
      ("95 % interval", .right), ("error", .right),
    ])
    for entry in cases {
      table.add([
        entry.name, Self.time(entry.step.predictedUs), Self.time(entry.step.measuredUs),
        entry.measuredCi95.map { "\(Self.time($0[0])) to \(Self.time($0[1]))" } ?? "",
        Self.percent(entry.step.error),
      ])
      for phase in entry.judgedPhases {
        table.add([
          "  " + phase.name, Self.time(phase.figure.predictedUs),
          Self.time(phase.figure.measuredUs), "", Self.percent(phase.figure.error),
        ])
      }
    }
    let parts = cases.isEmpty ? [] : [heading, table.text, verdict + outside]
    return (parts + leftOut).joined(separator: "\n\n")
  }

  private var heading: String {
    let remark =
      isFunctionalOnly ? "\nmore ranks than cores: functional only, not a timing" : ""
    let profile = Paragraph(
      "Predicted from profile \(prediction.profile): \(prediction.about)", indent: 2)
    return """
      \(profile.text)
      Steps of every case, and their phases of at least 5 %: mean over ranks, sums over layers;
      medians of steps\(remark)
      """
  }

  private var outside: String {
    guard !prediction.outside.isEmpty else { return "" }
    let words = prediction.outside.joined(separator: ", ")
    return "\n" + Paragraph("EXTRAPOLATED: \(words)", indent: 2).text
  }

  /// A sentence for each reason.
  private var leftOut: [String] {
    prediction.leftOut.map { entry in
      let names = cases.isEmpty ? "any case" : entry.cases.joined(separator: ", ")
      return Paragraph(
        "No prediction of \(names) from profile \(prediction.profile): \(entry.reason).", indent: 2
      ).text
    }
  }

  private var verdict: String {
    let (steps, phases) = (prediction.steps, prediction.phases)
    var lines = [
      "mean absolute error: step \(Self.percent(steps.meanAbsoluteError ?? 0, signed: false)), "
        + "phases \(Self.percent(phases.meanAbsoluteError ?? 0, signed: false))"
    ]
    let pairs = steps.pairs
    if let correlation = steps.rankCorrelation {
      lines.append(
        "order: \(pairs.inOrder) of \(pairs.of) pairs whose intervals do not overlap, Kendall's tau "
          + Quantity.fixed(correlation, 2))
    } else if cases.count > 1 {
      lines.append("order: all measured intervals overlap, there is none to predict")
    }
    if let regret = prediction.topOneRegret {
      lines.append(best)
      lines.append(
        "choosing the predicted best costs \(Self.percent(regret, signed: false)) over the measured "
          + "best")
    }
    return lines.joined(separator: "\n")
  }

  /// Whether the predicted best is the measured best.
  private var best: String {
    let predicted = cases.first { $0.name == prediction.predictedBest }
    let measured = cases.first { $0.name == prediction.measuredBest }
    guard let predicted, let measured else { return "" }
    if predicted.name == measured.name {
      return Paragraph("best: \(predicted.name), predicted and measured", indent: 2).text
    }
    let intervals = [predicted, measured].compactMap(\.measuredCi95).map { $0[0]...$0[1] }
    let isTie = intervals.count == 2 && intervals[0].overlaps(intervals[1])
    return Paragraph(
      "best: \(predicted.name) predicted, \(measured.name) measured"
        + (isTie ? ", their intervals overlap" : ""), indent: 2
    ).text
  }

  private static func time(_ microseconds: Double) -> String {
    Quantity.TimeUnit(fitting: microseconds).withUnit(microseconds)
  }

  private static func percent(_ share: Double, signed: Bool = true) -> String {
    (signed && share >= 0 ? "+" : "") + Quantity.fixed(100 * share, 1) + " %"
  }

  /// The figures as JSON.
  public var json: String {
    get throws {
      let (steps, phases) = (prediction.steps, prediction.phases)
      return try RecordCoding.text(
        Output(
          profile: prediction.profile, cases: cases,
          meanAbsoluteError: .init(
            step: steps.meanAbsoluteError ?? 0, phases: phases.meanAbsoluteError ?? 0),
          pairsInOrder: [steps.pairs.inOrder, steps.pairs.of],
          rankCorrelation: steps.rankCorrelation, topOneRegret: steps.topOneRegret))
    }
  }

  private struct Output: Codable {
    struct Errors: Codable {
      var step: Double
      var phases: Double
    }
    var schema = "epsim-validation/1"
    var profile: String
    var cases: [ValidatedCase]
    var meanAbsoluteError: Errors
    /// In order, of all that can be told apart.
    var pairsInOrder: [Int]
    @ExplicitNull var rankCorrelation: Double?
    @ExplicitNull var topOneRegret: Double?
  }
}

extension RunRecord {
  /// What placements called `auto` tried; empty where there are none.
  var placementChoiceText: String {
    (placementChoices ?? []).map { AutoChoiceReport($0).text }.joined(separator: "\n\n")
  }

  /// Predicted against measured; empty where no profile is named.
  var predictionText: String {
    prediction.map {
      ValidationReport($0, isFunctionalOnly: environment.functionalOnly).text
    } ?? ""
  }
}
