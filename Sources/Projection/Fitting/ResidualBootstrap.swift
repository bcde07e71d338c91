// SPDX-License-Identifier: Apache-2.0
// epsim: how far fitted numbers can be off, by fitting the fit's own errors again.

internal import MoE

/// 95 % intervals of fitted parameters by a bootstrap of relative residuals.
///
/// Each draw multiplies the predictions by 1 + a residual drawn with replacement and fits again;
/// the interval holds the middle 95 % of each parameter. Residuals are widened by sqrt(n / (n - p))
/// for the p parameters that they were fitted with. Draws are a function of the seed alone.
/// Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 9.4.
public enum ResidualBootstrap {
  public static let defaultDraws = 400

  /// The interval of every parameter.
  ///
  /// - Parameters:
  ///   - predicted: [n] what the fit says.
  ///   - measured: [n] what it was fitted to, positive.
  ///   - estimate: [p] the fitted parameters.
  ///   - refit: parameters of other measured values of the same rows, as many as in `estimate`.
  /// - Returns: [p]; the parameters alone, without width, where n <= p.
  /// - Precondition: as many predictions as measured values; at least 40 draws.
  public static func intervals(
    predicted: [Double], measured: [Double], estimate: [Double], seed: UInt64 = 1,
    draws: Int = defaultDraws, refit: ([Double]) -> [Double]
  ) -> [ClosedRange<Double>] {
    precondition(
      predicted.count == measured.count && draws >= 40,
      "\(predicted.count) predictions of \(measured.count) values, \(draws) draws")
    let count = predicted.count
    guard count > estimate.count else { return estimate.map { $0...$0 } }
    let widening = (Double(count) / Double(count - estimate.count)).squareRoot()
    let residuals = zip(predicted, measured).map { ($1 / $0 - 1) * widening }
    var samples = Array(repeating: [Double](), count: estimate.count)
    for draw in 0..<draws {
      // 0xB007 keeps these draws apart from other uses of the seed.
      let random = CounterRandom(seed: seed, 0xB007, UInt64(draw))
      let values = (0..<count).map { row in
        let index = Int(random.unit(at: UInt64(row)) * Double(count))
        // A widened residual may lie below -1, a time may not fall below nothing.
        return predicted[row] * max(0.01, 1 + residuals[min(index, count - 1)])
      }
      for (parameter, value) in refit(values).enumerated() where parameter < samples.count {
        samples[parameter].append(value)
      }
    }
    return zip(samples, estimate).map { values, estimate in
      let sorted = values.sorted()
      guard sorted.count == draws else { return estimate...estimate }
      let tail = draws / 40
      return min(estimate, sorted[tail])...max(estimate, sorted[draws - 1 - tail])
    }
  }
}
