// SPDX-License-Identifier: Apache-2.0
// epsim: tests of medians, intervals and paired ratios.

import Testing
import Timing

@Suite struct StatisticsTests {
  @Test func medianIsTheMiddleSampleOrTheMeanOfTwo() {
    #expect(Estimate([3, 1, 2]).median == 2)
    #expect(Estimate([4, 1, 2, 3]).median == 2.5)
  }

  @Test func noIntervalBelowEightSamples() {
    #expect(Estimate(Array(repeating: 1, count: 7)).interval == nil)
    #expect(Estimate(Array(repeating: 1, count: 8)).interval == 1...1)
  }

  /// n = 10: P(X < 2) = 11/1024 = 1.1 %, P(X < 3) = 56/1024 = 5.5 %, so the interval is [x2, x9].
  @Test func intervalFollowsTheBinomialDistribution() {
    #expect(Estimate((1...10).map(Double.init)).interval == 2...9)
    // n = 8: P(X < 1) = 0.4 %, P(X < 2) = 9/256 = 3.5 %, so [x1, x8].
    #expect(Estimate((1...8).map(Double.init)).interval == 1...8)
    // n = 100: the textbook's [x40, x61].
    #expect(Estimate((1...100).map(Double.init)).interval == 40...61)
  }

  @Test func intervalSurvivesThousandsOfSamples() {
    let interval = Estimate((1...5000).map(Double.init)).interval
    // Normal approximation: 2500 +- 1.96 sqrt(5000)/2 = 2500 +- 69.3.
    #expect(
      interval.map { abs($0.lowerBound - 2431) <= 1 && abs($0.upperBound - 2570) <= 1 } == true)
  }

  @Test func pairedRatioSeesThroughDriftThatBothCasesShare() {
    let base = (0..<10).map { 100.0 + 50 * Double($0) }
    let faster = PairedRatio(base.map { $0 * 0.97 }, base: base)
    #expect(abs(faster.ratio.median - 0.97) < 1e-12)
    #expect(faster.differs == true)
    #expect(PairedRatio(base, base: base).differs == false)
    #expect(PairedRatio([1, 2], base: [1, 2]).differs == nil)
  }

  @Test func percentilesAreGivenOnlyWhereSamplesReachIntoTheirTail() {
    let samples = (1...100).map(Double.init).shuffled()
    #expect(Percentile.ninetyFifth.of(samples) == 95)
    #expect(Percentile.ninetyNinth.of(samples) == 99)
    #expect(Percentile.ninetyNinth.of(Array(samples.dropLast())) == nil)
    #expect(Percentile.ninetyFifth.of((1...20).map(Double.init)) == 19)
    #expect(Percentile.ninetyFifth.of((1...19).map(Double.init)) == nil)
    #expect(Percentile.ninetyFifth.of([]) == nil)
  }
}
