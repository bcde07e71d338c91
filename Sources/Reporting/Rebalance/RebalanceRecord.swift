// SPDX-License-Identifier: Apache-2.0
// epsim: what moving experts cost, what it saved, and whether it pays.

public import Timing

/// What `epsim rebalance` measured, schema `epsim-rebalance/1`.
public struct RebalanceRecord: Encodable, Sendable {
  /// What moving took.
  public struct Migration: Encodable, Sendable {
    /// In the model's numbering.
    public var layer: Int
    public var movedExperts: Int
    /// Bytes that left a rank, and of these those that left a node.
    public var bytes: Int
    public var offNodeBytes: Int
    /// Most bytes that one rank received.
    public var largestReceived: Int
    /// From a barrier to the last rank's end.
    public var timeUs: Double

    public init(
      layer: Int, movedExperts: Int, bytes: Int, offNodeBytes: Int, largestReceived: Int,
      timeUs: Double
    ) {
      self.layer = layer
      self.movedExperts = movedExperts
      self.bytes = bytes
      self.offNodeBytes = offNodeBytes
      self.largestReceived = largestReceived
      self.timeUs = timeUs
    }
  }

  /// Which ranks changed places before the move.
  public struct Relabelling: Encodable, Sendable {
    /// `none`, `node` or `all`.
    public var rule: String
    /// Experts that move where every rank gets what the placement says.
    public var movedAsNumbered: Int
    /// Experts that move by the rule.
    public var movedRelabelled: Int
    /// Experts that would move by `node`; null where that, or `all`, is the rule.
    @ExplicitNull public var movedByNode: Int?

    public init(rule: String, movedAsNumbered: Int, movedRelabelled: Int, movedByNode: Int?) {
      self.rule = rule
      self.movedAsNumbered = movedAsNumbered
      self.movedRelabelled = movedRelabelled
      self.movedByNode = movedByNode
    }
  }

  /// Whether moving pays.
  public enum Verdict: String, Encodable, Sendable {
    /// Steps are faster afterwards: it pays after ``breakEvenSteps``.
    case rebalance
    /// Steps are not faster afterwards.
    case doNot = "do not rebalance"
    /// The difference lies inside of its interval, or there are too few steps.
    case undecided = "no difference: do not rebalance"
  }

  public let schema = "epsim-rebalance/1"
  public let from: String
  public let to: String
  public let relabelling: Relabelling
  public let layers: [Migration]
  public let movedExperts: Int
  public let bytes: Int
  public let offNodeBytes: Int
  /// Sum over layers.
  public let timeUs: Double
  /// Paired by step: before - after.
  public let savedUs: Estimate
  /// Time of moving / saved time of a step, by the median; nil where nothing is saved.
  public let breakEvenSteps: Double?
  /// The same by the ends of the interval of the saved time.
  public let breakEvenInterval: [Double]?
  public let verdict: Verdict
  /// Whether both placements give the same bits; nil where the exchange adds up in another order.
  public let digestsEqual: Bool?
  /// Both cases, as a comparison records them.
  public let run: RunRecord

  /// - Precondition: the run has two cases with equally many steps.
  public init(
    _ run: RunRecord, relabelling: Relabelling, layers: [Migration], digestsEqual: Bool?
  ) {
    precondition(run.cases.count == 2, "\(run.cases.count) cases")
    (from, to) = (run.cases[0].name, run.cases[1].name)
    self.run = run
    self.relabelling = relabelling
    self.layers = layers
    self.digestsEqual = digestsEqual
    movedExperts = layers.reduce(0) { $0 + $1.movedExperts }
    bytes = layers.reduce(0) { $0 + $1.bytes }
    offNodeBytes = layers.reduce(0) { $0 + $1.offNodeBytes }
    timeUs = layers.reduce(0) { $0 + $1.timeUs }
    savedUs = Estimate(
      zip(run.cases[0].stepUs.samples, run.cases[1].stepUs.samples).map { $0 - $1 })
    guard let interval = savedUs.interval, interval.lowerBound > 0 || interval.upperBound < 0 else {
      (verdict, breakEvenSteps, breakEvenInterval) = (.undecided, nil, nil)
      return
    }
    guard interval.lowerBound > 0 else {
      (verdict, breakEvenSteps, breakEvenInterval) = (.doNot, nil, nil)
      return
    }
    verdict = .rebalance
    breakEvenSteps = timeUs / savedUs.median
    breakEvenInterval = [timeUs / interval.upperBound, timeUs / interval.lowerBound]
  }
}
