// SPDX-License-Identifier: Apache-2.0
// epsim: the parts of a case record that hold times.

internal import Timing

extension CaseRecord {
  /// A median over steps with its samples.
  public struct Samples: Codable, Sendable {
    public var median: Double
    /// [low, high] of the 95 % order-statistic interval; nil below eight steps.
    @ExplicitNull public var ci95: [Double]? = nil
    /// 95th percentile; nil below 20 steps, which hold no such tail.
    @ExplicitNull public var p95: Double? = nil
    /// 99th percentile; nil below 100 steps.
    @ExplicitNull public var p99: Double? = nil
    public var samples: [Double]
  }
  /// A phase, summed over layers: the slowest rank and the mean rank.
  public struct PhaseTime: Codable, Sendable {
    public var max: Double
    public var mean: Double
  }
  /// An exchange, summed over layers.
  public struct ExchangeTime: Codable, Sendable {
    public var total: Double
    public var wait: Double
    public var transfer: Double
    /// Copy of the rank's own rows.
    public var selfCopy: Double
    /// Barriers of barrier timing, beyond waiting in them.
    public var barrier: Double
    /// Bound on what may be booked as wait instead of transfer or the other way round.
    public var error: Double
  }
  /// Where the mean rank's step goes; the four add up to 1.
  public struct Shares: Codable, Sendable {
    public var expert: Double
    public var transfer: Double
    public var wait: Double
    public var rest: Double
  }
  /// Times of one layer: median over steps.
  public struct LayerTime: Codable, Sendable {
    /// The layer in the model's numbering.
    public var layer: Int
    /// The slowest rank's time for the layer.
    public var layerUs: Double
    public var expertMaxUs: Double
    public var expertMeanUs: Double
    public var loadMaxOverMean: Double
  }
  /// Times of one rank, summed over layers: median over steps.
  public struct RankTime: Codable, Sendable {
    public var expertUs: Double
    public var packUs: Double
    public var ungroupUs: Double
    public var dispatchUs: ExchangeTime
    public var combineUs: ExchangeTime
    /// Rows that the rank's experts served per step, over all layers.
    public var rows: Double
  }
  /// How the case compares with the first one, step by step.
  public struct Ratio: Codable, Sendable {
    public var median: Double
    @ExplicitNull public var ci95: [Double]? = nil
    /// Whether the interval excludes 1; nil where there are too few steps.
    @ExplicitNull public var differs: Bool? = nil
  }
  /// Efficiencies in the manner of the POP project, of useful work = expert and shared compute:
  /// parallel = load balance * communication.
  public struct Efficiency: Codable, Sendable {
    /// Mean over ranks of useful time / the largest.
    public var loadBalance: Double
    /// Largest useful time / step time.
    public var communication: Double
    /// Mean useful time / step time.
    public var parallel: Double
  }
  /// Who waited for whom: means per step.
  public struct BlameTable: Codable, Sendable {
    /// [culprit][waiter] microseconds.
    public var waitingUs: [[Double]]
    /// [R] what made each culprit late.
    public var causes: [Cause]

    /// Against the mean rank, summed over the exchanges in which the rank was last.
    public struct Cause: Codable, Sendable {
      public var expertUs: Double
      public var packingUs: Double
      public var earlierUs: Double
      public var exchanges: Double
    }
  }
  /// The self-tests of the measurement.
  public struct Checks: Codable, Sendable {
    /// The most that the phases of a layer and its wall time differ.
    public var largestGapUs: Double
    public var largestGapShare: Double
    public var backwardStamps: Int
    public var causalityChecks: Int
    public var causalityViolations: Int
    /// Stamps of a step and rank, what one costs, and their share of the step.
    public var stampsPerStep: Int
    public var stampNs: Double
    public var recordingShare: Double
    /// How far apart ranks left the barriers of barrier timing, median over steps of the largest.
    public var barrierExitSkewUs: Double
  }
  /// The steps of one sample group.
  public struct GroupTime: Codable, Sendable {
    /// Index into the record's groups.
    public var group: Int
    public var steps: Int
    public var medianUs: Double
  }
}
