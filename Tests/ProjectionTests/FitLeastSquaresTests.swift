// SPDX-License-Identifier: Apache-2.0
// epsim: tests of least squares with bounds and of fits with a bottleneck.

import MoE
import Projection
import Testing

@Suite struct FitLeastSquaresTests {
  /// Sum of squared relative errors, the slow way.
  private func squaredError(
    _ rows: [[Double]], _ values: [Double], _ coefficients: [Double]
  ) -> Double {
    zip(rows, values).reduce(0) { sum, pair in
      let predicted = zip(pair.0, coefficients).reduce(0) { $0 + $1.0 * $1.1 }
      return sum + (predicted / pair.1 - 1) * (predicted / pair.1 - 1)
    }
  }

  @Test func exactSumsGiveTheirCosts() {
    // Bytes and messages of very different size, as in real tables.
    let rows = (0..<8).map { [1, Double(1 << $0) * 1e6, Double($0 % 3)] }
    let values = rows.map { 2e-6 + 1e-10 * $0[1] + 5e-6 * $0[2] }
    let costs = RelativeLeastSquares.coefficients(rows: rows, values: values)
    for (cost, expected) in zip(costs, [2e-6, 1e-10, 5e-6]) {
      #expect(abs(cost / expected - 1) < 1e-6)
    }
  }

  @Test func noFeasibleNeighbourIsBetter() {
    for seed in 0..<200 {
      let random = CounterRandom(seed: UInt64(seed), 6)
      let terms = 1 + seed % 3
      let rows = (0..<6).map { row in
        (0..<terms).map { 0.1 + random.unit(at: UInt64(row * 8 + $0)) }
      }
      let values = (0..<6).map { 0.1 + random.unit(at: UInt64(100 + $0)) }
      let least = (0..<terms).map { 0.3 * random.unit(at: UInt64(200 + $0)) }
      let best = RelativeLeastSquares.coefficients(rows: rows, values: values, least: least)
      let error = squaredError(rows, values, best)
      #expect(zip(best, least).allSatisfy { $0 >= $1 })
      // The problem is convex: what no small step improves is the optimum.
      for direction in 0..<40 {
        let step = (0..<terms).map { term in
          let draw = random.unit(at: UInt64(1000 + direction * 8 + term)) - 0.5
          return max(least[term], best[term] + 1e-3 * draw)
        }
        #expect(squaredError(rows, values, step) >= error - 1e-12, "seed \(seed)")
      }
    }
  }

  @Test func aBoundIsKeptWhereRowsAreQuicker() {
    // 100 GB/s in the rows, 50 GB/s accepted.
    let rows = [1e6, 2e6, 4e6].map { [1, $0] }
    let costs = RelativeLeastSquares.coefficients(
      rows: rows, values: rows.map { 1e-6 + $0[1] / 100e9 }, least: [0, 1 / 50e9])
    #expect(costs[1] == 1 / 50e9)
    #expect(costs[0] >= 0)
  }

  @Test func undeterminedTermsAreLeftOut() {
    // The two terms are the same: any split fits, one of them must be nothing.
    let costs = RelativeLeastSquares.coefficients(rows: [[1, 1], [1, 1]], values: [2, 2])
    #expect(abs(costs[0] + costs[1] - 2) < 1e-9 && costs.contains(0))
  }

  private let truth = BottleneckModel(sums: [10e-6], limits: [1 / 500e12, 1 / 3e12])

  @Test func bottlenecksAreFoundFromTheirTimes() {
    var rows: [BottleneckModel.Row] = []
    for experts in [1.0, 4, 16, 64] {
      for tokens in [1.0, 8, 64, 512, 4096] {
        var row = BottleneckModel.Row(
          sums: [1], limits: [2 * tokens * experts * 3e7, experts * 3e7], value: 1)
        row.value = truth.prediction(row)
        rows.append(row)
      }
    }
    let fit = BottleneckModel.fit(rows)
    #expect(abs(fit.sums[0] / truth.sums[0] - 1) < 1e-3)
    #expect(abs(fit.limits[0] / truth.limits[0] - 1) < 1e-3)
    #expect(abs(fit.limits[1] / truth.limits[1] - 1) < 1e-3)
    // A known limit stays as it is, a bound is kept.
    let known = BottleneckModel.fit(rows, known: [1: 1 / 2e12])
    #expect(known.limits[1] == 1 / 2e12)
    #expect(BottleneckModel.fit(rows, leastLimits: [1 / 300e12, 0]).limits[0] >= 1 / 300e12)
  }

  /// Of a single cost the interval is that of a mean: 1.96 sigma / sqrt(n) on either side.
  @Test func intervalsOfOneCostAreThoseOfAMean() {
    let random = CounterRandom(seed: 4, 4)
    // Uniform in +-0.1: sigma = 0.1 / sqrt(3).
    var rows: [BottleneckModel.Row] = []
    for index in 0..<50 {
      let units = Double(index + 1)
      let factor = 0.9 + 0.2 * random.unit(at: UInt64(index))
      rows.append(.init(sums: [], limits: [units], value: units * factor))
    }
    let interval = BottleneckModel.intervals(rows, draws: 200)[0]
    let expected = 2 * 1.96 * 0.1 / 3.0.squareRoot() / 50.0.squareRoot()
    let width = interval.upperBound - interval.lowerBound
    #expect(abs(width / expected - 1) < 0.3, "\(width), expected \(expected)")
    #expect(interval.contains(BottleneckModel.fit(rows).limits[0]))
    // As many costs as rows: nothing is left to say how far they are off.
    let single = BottleneckModel.intervals([rows[0]])
    #expect(single[0].lowerBound == single[0].upperBound)
  }

  @Test func theSmoothMaximumIsTheLargerOfUnlikeLimitsAndMoreOfEqualOnes() {
    func time(_ flops: Double, _ bytes: Double) -> Double {
      truth.prediction(.init(sums: [0], limits: [flops, bytes], value: 1))
    }
    #expect(abs(time(500e12, 0) - 1) < 1e-12)
    #expect(abs(time(500e12, 3e10) - 1) < 1e-6)
    // 2^(1/4) of two equal limits.
    #expect(abs(time(500e12, 3e12) - 1.189207115) < 1e-8)
    #expect(time(0, 0) == 0)
  }
}
