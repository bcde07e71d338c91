// SPDX-License-Identifier: Apache-2.0
// epsim: medians and their intervals.

internal import Foundation

/// A median with a 95 % interval from order statistics; no distribution is assumed.
public struct Estimate: Sendable, Equatable, Codable {
  /// The middle sample, or the mean of the two middle ones.
  public let median: Double
  /// 95 % interval of the median; nil below ``minimumSamples`` samples.
  public let interval: ClosedRange<Double>?

  /// Samples below which no interval is given.
  public static let minimumSamples = 8

  /// - Precondition: there is at least one sample.
  public init(_ samples: [Double]) {
    precondition(!samples.isEmpty, "the median of 0 samples")
    let sorted = samples.sorted()
    let count = sorted.count
    median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
    interval = count < Self.minimumSamples ? nil : Self.interval(sorted)
  }

  /// [x_(k), x_(n+1-k)] for the largest k that covers the median with at least 95 %.
  ///
  /// The number of samples below the median is binomial (n, 1/2), so the interval misses it with
  /// probability 2 P(X < k). Source: Hahn and Meeker, Statistical Intervals, section 5.2.
  private static func interval(_ sorted: [Double]) -> ClosedRange<Double> {
    let count = sorted.count
    var k = 0
    var tail = 0.0
    // P(X = i) in logarithms: 2^-n underflows above a thousand samples.
    var logProbability = -Double(count) * log(2)
    while k < count / 2 {
      tail += exp(logProbability)
      guard tail <= 0.025 else { break }
      k += 1
      logProbability += log(Double(count - k + 1)) - log(Double(k))
    }
    let lower = max(k, 1) - 1
    return sorted[lower]...sorted[count - 1 - lower]
  }
}

/// A percentile of samples, given only where the samples reach into its tail.
public enum Percentile: Double, Sendable {
  case ninetyFifth = 0.95
  case ninetyNinth = 0.99

  /// The nearest-rank percentile: the smallest sample that at least this share does not exceed; nil
  /// where less than one sample lies in the tail (below 20 samples for p95, 100 for p99).
  public func of(_ samples: [Double]) -> Double? {
    let tail = (Double(samples.count) * (1 - rawValue)).rounded(toPlaces: 9)
    guard tail >= 1 else { return nil }
    let rank = Int((Double(samples.count) * rawValue).rounded(toPlaces: 9).rounded(.up))
    return samples.sorted()[rank - 1]
  }
}

extension Double {
  /// Rids a product of decimal fractions of its binary dust.
  fileprivate func rounded(toPlaces places: Int) -> Double {
    let scale = pow(10, Double(places))
    return (self * scale).rounded() / scale
  }
}

/// How a case compares with the first one, step by step.
public struct PairedRatio: Sendable, Equatable, Codable {
  /// Median over steps of (this case / first case) with its interval.
  public let ratio: Estimate

  /// - Precondition: both hold one sample per step, in the same order; the base is positive.
  public init(_ samples: [Double], base: [Double]) {
    precondition(samples.count == base.count, "\(samples.count) samples, base \(base.count)")
    ratio = Estimate(zip(samples, base).map { $0 / $1 })
  }

  /// Whether the interval excludes 1; nil where there are too few steps to say.
  public var differs: Bool? {
    ratio.interval.map { !$0.contains(1) }
  }
}
