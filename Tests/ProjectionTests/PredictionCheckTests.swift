// SPDX-License-Identifier: Apache-2.0
// epsim: tests of errors, order and regret of predictions.

import Projection
import Testing

@Suite struct PredictionCheckTests {
  private func check(_ values: [(predicted: Double, measured: Double, half: Double)])
    -> PredictionCheck
  {
    PredictionCheck(
      values.enumerated().map { index, value in
        .init(
          name: "\(index)", predicted: value.predicted, measured: value.measured,
          interval: value.measured - value.half...value.measured + value.half)
      })
  }

  @Test func errorsOrderAndRegret() throws {
    // Measured 10, 20, 40; the order of the last two is predicted wrong.
    let check = check([(11, 10, 1), (50, 20, 1), (30, 40, 1)])
    let error = try #require(check.meanAbsoluteError)
    #expect(abs(error - 1.85 / 3) < 1e-12)
    #expect(check.pairs.inOrder == 2 && check.pairs.of == 3)
    let correlation = try #require(check.rankCorrelation)
    #expect(abs(correlation - 1.0 / 3) < 1e-12)
    #expect(check.topOneRegret == 0)
  }

  @Test func pairsThatCannotBeToldApartDoNotCount() {
    let check = check([(1, 10, 2), (2, 11, 2), (3, 20, 1)])
    #expect(check.pairs.inOrder == 2 && check.pairs.of == 2)
    #expect(check.rankCorrelation == 1)
  }

  @Test func equalPredictionsOfDifferentTimesAreWrong() {
    let pairs = check([(5, 10, 0), (5, 20, 0)]).pairs
    #expect(pairs.inOrder == 0 && pairs.of == 1)
  }

  @Test func theWrongChoiceCostsItsDifference() {
    #expect(check([(9, 12, 0), (10, 10, 0)]).topOneRegret == 12.0 / 10 - 1)
  }

  @Test func nothingToCheck() {
    let check = PredictionCheck([])
    #expect(check.meanAbsoluteError == nil)
    #expect(check.rankCorrelation == nil)
    #expect(check.topOneRegret == nil)
  }
}
