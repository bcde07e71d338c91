// SPDX-License-Identifier: Apache-2.0
// epsim: what a profile said about the cases of a run, beside what was measured.

public import Projection

/// Predictions of a cluster profile for the cases of a run.
public struct PredictionRecord: Codable, Sendable {
  /// Cases without a prediction.
  public struct LeftOut: Codable, Sendable {
    public var cases: [String]
    /// Why, in a sentence.
    public var reason: String
  }

  /// The name of the profile, and one sentence on what it is a profile of.
  public var profile: String
  public var about: String
  /// Those that were predicted and measured, in the order of the run.
  public var cases: [ValidatedCase]
  public var leftOut: [LeftOut]
  /// What of the steps lies outside of what the profile was measured on, in words.
  public var outside: [String]
  /// The cases with the least predicted and the least measured step; null below two.
  @ExplicitNull public var predictedBest: String? = nil
  @ExplicitNull public var measuredBest: String? = nil
  /// What the predicted best takes over the measured best, less one; null below two.
  @ExplicitNull public var topOneRegret: Double? = nil

  /// - Parameters:
  ///   - leftOut: names and sentences of cases without a prediction.
  ///   - outside: what lies outside of what the profile was measured on.
  public init(
    profile: ClusterProfile, cases: [ValidatedCase], leftOut: [(name: String, reason: String)],
    outside: [String] = []
  ) {
    self.profile = profile.name
    about = profile.about
    self.cases = cases
    self.leftOut = leftOut.reduce(into: []) { groups, entry in
      if let index = groups.firstIndex(where: { $0.reason == entry.reason }) {
        groups[index].cases.append(entry.name)
      } else {
        groups.append(LeftOut(cases: [entry.name], reason: entry.reason))
      }
    }
    self.outside = outside
    guard cases.count > 1 else { return }
    predictedBest = cases.min { $0.step.predictedUs < $1.step.predictedUs }?.name
    measuredBest = cases.min { $0.step.measuredUs < $1.step.measuredUs }?.name
    topOneRegret = steps.topOneRegret
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
}
