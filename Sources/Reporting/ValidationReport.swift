// SPDX-License-Identifier: Apache-2.0
// epsim: what `epsim validate` prints.

public import Projection

/// Predicted against measured, case by case and phase by phase, and what it says about choosing.
public struct ValidationReport {
  private let cases: [ValidatedCase]
  private let profile: ClusterProfile
  private let record: RunRecord

  public init(_ cases: [ValidatedCase], profile: ClusterProfile, record: RunRecord) {
    self.cases = cases
    self.profile = profile
    self.record = record
  }

  /// The steps of all cases.
  public var steps: PredictionCheck {
    PredictionCheck(
      cases.map { entry in
        PredictionCheck.Entry(
          name: entry.name, predicted: entry.step.predictedUs, measured: entry.step.measuredUs,
          interval: entry.measuredCi95.map { $0[0]...$0[1] })
      })
  }

  /// The judged phases of all cases.
  public var phases: PredictionCheck {
    PredictionCheck(
      cases.flatMap { entry in
        entry.judgedPhases.map {
          PredictionCheck.Entry(
            name: "\(entry.name), \($0.name)", predicted: $0.figure.predictedUs,
            measured: $0.figure.measuredUs)
        }
      })
  }

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
    return [heading, "", table.text, "", verdict].joined(separator: "\n")
  }

  private var heading: String {
    let remark =
      record.environment.functionalOnly
      ? "\nmore ranks than cores: functional only, not a timing" : ""
    return """
      Predicted from profile \(profile.name): \(profile.about)
      Steps of every case, and their phases of at least 5 %: mean over ranks, sums over layers;
      medians of steps\(remark)
      """
  }

  private var verdict: String {
    let (steps, phases) = (steps, phases)
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
    if cases.count > 1, let regret = steps.topOneRegret {
      lines.append(
        "choosing the predicted best costs \(Self.percent(regret, signed: false)) over the measured "
          + "best")
    }
    return lines.joined(separator: "\n")
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
      try RecordCoding.text(
        Output(
          profile: profile.name, cases: cases,
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
