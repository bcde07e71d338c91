// SPDX-License-Identifier: Apache-2.0
// epsim: a case that was predicted and run.

internal import CostModel
public import Projection
internal import Timing

/// The times of a case, predicted and measured: microseconds, medians over steps.
public struct ValidatedCase: Codable, Sendable {
  /// A step or a phase.
  public struct Figure: Codable, Sendable {
    public var predictedUs: Double
    public var measuredUs: Double
    /// Predicted over measured, less one.
    public var error: Double { predictedUs / measuredUs - 1 }
  }

  public var name: String
  public var step: Figure
  /// 95 % interval of the measured step; null below eight steps.
  @ExplicitNull public var measuredCi95: [Double]? = nil
  /// Mean over ranks, sums over layers; an exchange with its waiting.
  public var phases: [String: Figure]
  /// What the prediction says decides the step.
  public var binding: String

  /// Phases that take at least this share of the measured step are judged.
  public static let judgedShare = 0.05

  /// - Parameter predicted: the same steps as were measured.
  public init(_ measured: CaseRecord, predicted: [ProjectedStep]) {
    name = measured.name
    let times = predicted.map(\.time.microseconds)
    step = Figure(
      predictedUs: Estimate(times).median, measuredUs: measured.stepUs.median)
    measuredCi95 = measured.stepUs.ci95
    phases = Dictionary(
      uniqueKeysWithValues: measured.phasesUs.compactMap { name, time in
        guard let parts = Self.parts[name] else { return nil }
        let values = predicted.map { step in
          parts.reduce(0) { $0 + step.ranks.mean($1).microseconds }
        }
        return (name, Figure(predictedUs: Estimate(values).median, measuredUs: time.mean))
      })
    binding = predicted.first?.bindingWords ?? "nothing"
  }

  /// Phases that are judged, the longest first.
  public var judgedPhases: [(name: String, figure: Figure)] {
    phases.filter { $0.value.measuredUs >= Self.judgedShare * step.measuredUs }
      .map { (name: $0.key, figure: $0.value) }
      .sorted { ($1.figure.measuredUs, $0.name) < ($0.figure.measuredUs, $1.name) }
  }

  /// The measured phases by their names, in parts of the prediction.
  static let parts: [String: [RankPhase]] = [
    "route": [.route], "plan": [.plan], "pack": [.delay, .pack],
    "dispatch": [.dispatchWait, .dispatchTransfer], "group": [.group], "expert": [.expert],
    "shared": [.shared], "ungroup": [.ungroup], "combine": [.combineWait, .combineTransfer],
    "reduce": [.reduce],
  ]
}
