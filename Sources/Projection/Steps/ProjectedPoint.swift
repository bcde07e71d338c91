// SPDX-License-Identifier: Apache-2.0
// epsim: one case on one number of ranks, projected.

public import CostModel
internal import Foundation

/// What a projection says about a case on so many ranks, with its uncertainty.
public struct ProjectedPoint: Sendable {
  public var name: String
  public var topology: Topology
  /// T, tokens of a step over all ranks.
  public var tokens: Int
  /// One per batch of the workload.
  public var steps: [ProjectedStep]
  /// Bytes of a step, to the experts and back, over all ranks: mean over batches.
  public var offNodeBytes: Bytes
  public var insideBytes: Bytes
  public var leafBytes: Bytes
  /// Largest over mean rows of a rank, over the layers: sum of the largest over sum of the means.
  public var loadMaxOverMean: Double
  /// What lies outside of what the profile was measured on, in words.
  public var outside: [String]
  /// What a change of each number of the profile changes; the strongest first.
  public var influences: [Influence]

  public init(
    name: String, topology: Topology, tokens: Int, steps: [ProjectedStep],
    offNodeBytes: Bytes, insideBytes: Bytes, leafBytes: Bytes, loadMaxOverMean: Double,
    outside: [String], influences: [Influence]
  ) {
    self.name = name
    self.topology = topology
    self.tokens = tokens
    self.steps = steps
    self.offNodeBytes = offNodeBytes
    self.insideBytes = insideBytes
    self.leafBytes = leafBytes
    self.loadMaxOverMean = loadMaxOverMean
    self.outside = outside
    self.influences = influences
  }

  /// The step whose time is the median of the batches.
  public var typical: ProjectedStep {
    steps.sorted { $0.time < $1.time }[(steps.count - 1) / 2]
  }

  /// Tokens per second over all ranks.
  public var tokensPerSecond: Double { Double(tokens) / typical.time.value }

  /// What the uncertainty of every number of the profile makes of the step: the root of the sum of
  /// the squares of their effects, as for independent errors.
  public var interval: ClosedRange<Seconds> {
    func root(_ effects: [Double]) -> Double {
      effects.reduce(0) { $0 + $1 * $1 }.squareRoot()
    }
    let time = typical.time
    let less = root(influences.map { max(0, -min($0.low, $0.high)) })
    let more = root(influences.map { max(0, max($0.low, $0.high)) })
    return time * max(0, 1 - less)...time * (1 + more)
  }
}

/// How much a step hangs on one number of a profile.
public struct Influence: Sendable {
  public var value: ProfileValue
  /// Relative change of the step where the number is at the low end of its uncertainty, and at the
  /// high end.
  public var low: Double
  public var high: Double

  public init(value: ProfileValue, low: Double, high: Double) {
    self.value = value
    self.low = low
    self.high = high
  }

  /// The larger of both changes.
  public var size: Double { max(abs(low), abs(high)) }
}

extension ProfileValue {
  /// Between which factors the number may lie: its interval where it was measured with one, up to
  /// the largest factor that ``ClusterProfile/scaled(_:by:)`` takes; 10 % either way where it was
  /// measured without or is published; half to twice where it is assumed. The last two are
  /// conventions of epsim.
  public var uncertainty: ClosedRange<Double> {
    if let interval, value > 0, interval.lowerBound > 0 {
      let most = min(interval.upperBound / value, ClusterProfile.largestFactor)
      return interval.lowerBound / value...most
    }
    return provenance == .assumed ? 0.5...2 : 1 / 1.1...1.1
  }
}
