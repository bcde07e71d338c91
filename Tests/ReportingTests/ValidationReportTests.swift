// SPDX-License-Identifier: Apache-2.0
// epsim: tests of predictions beside measurements.

import Foundation
import Projection
import Reporting
import Testing

@Suite struct ValidationReportTests {
  private static let repository = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// Predicted and measured steps, microseconds, with the interval of the latter.
  private func measured(
    _ name: String, _ predicted: Double, _ measured: Double, _ interval: [Double]
  ) throws -> ValidatedCase {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(
      ValidatedCase.self,
      from: Data(
        """
        {"name": "\(name)", "measured_ci95": \(interval), "binding": "nothing",
         "step": {"predicted_us": \(predicted), "measured_us": \(measured)},
         "phases": {"expert": {"predicted_us": 60, "measured_us": 50},
                    "plan": {"predicted_us": 1, "measured_us": 2}}}
        """.utf8))
  }

  private func record(
    _ cases: [ValidatedCase], leftOut: [(name: String, reason: String)] = []
  ) throws -> PredictionRecord {
    let profile = try ProfileLibrary.open(
      Self.repository.appending(path: "clusters/emulated-1gbit.yaml").path, folders: [])
    return PredictionRecord(profile: profile, cases: cases, leftOut: leftOut)
  }

  private func lines(_ record: PredictionRecord) -> [String] {
    ValidationReport(record, isFunctionalOnly: false).text.components(separatedBy: "\n")
  }

  @Test func errorsAreSignedAndShortPhasesAreLeftOut() throws {
    let lines = lines(try record([measured("lpt", 90, 100, [95, 105])]))
    #expect(lines.contains { $0.hasPrefix("lpt ") && $0.hasSuffix(" -10.0 %") })
    #expect(lines.contains { $0.hasPrefix("  expert ") && $0.hasSuffix(" +20.0 %") })
    // Two of 100 us.
    #expect(!lines.contains { $0.hasPrefix("  plan") })
    // One case has no best.
    #expect(!lines.contains { $0.hasPrefix("best") || $0.hasPrefix("choosing") })
    #expect(lines.allSatisfy { $0.count <= 100 })
  }

  @Test func thePredictedBestIsSetBesideTheMeasuredBest() throws {
    let (slow, fast) = (
      try measured("slow", 110, 120, [115, 125]), try measured("fast", 90, 100, [95, 105])
    )
    let right = try record([slow, fast])
    #expect(right.predictedBest == "fast" && right.measuredBest == "fast")
    #expect(right.topOneRegret == 0)
    #expect(lines(right).contains("best: fast, predicted and measured"))

    let wrong = try record([slow, try measured("fast", 111, 100, [95, 105])])
    #expect(wrong.predictedBest == "slow" && wrong.measuredBest == "fast")
    #expect(abs(wrong.topOneRegret! - 0.2) < 1e-12)
    #expect(lines(wrong).contains("best: slow predicted, fast measured"))
    #expect(
      lines(wrong).contains("choosing the predicted best costs 20.0 % over the measured best"))

    let tie = try record([slow, try measured("fast", 111, 119, [110, 118])])
    #expect(lines(tie).contains("best: slow predicted, fast measured, their intervals overlap"))
  }

  @Test func whatIsNotPredictedIsOneSentenceForEachReason() throws {
    let reasons = [(name: "a", reason: "too fast"), ("b", "too slow"), ("c", "too fast")]
    let some = try record([measured("lpt", 90, 100, [95, 105])], leftOut: reasons)
    #expect(some.leftOut.map(\.cases) == [["a", "c"], ["b"]])
    #expect(
      lines(some).suffix(3) == [
        "No prediction of a, c from profile emulated-1gbit: too fast.", "",
        "No prediction of b from profile emulated-1gbit: too slow.",
      ])
    let profile = try ProfileLibrary.open(
      Self.repository.appending(path: "clusters/emulated-1gbit.yaml").path, folders: [])
    let far = PredictionRecord(
      profile: profile, cases: [try measured("lpt", 90, 100, [95, 105])], leftOut: [],
      outside: ["8 ranks (4 measured)", "messages of 3 kB"])
    #expect(lines(far).last == "EXTRAPOLATED: 8 ranks (4 measured), messages of 3 kB")
    let none = try record([], leftOut: [(name: "a", reason: "too fast")])
    #expect(lines(none) == ["No prediction of any case from profile emulated-1gbit: too fast."])
  }
}
