// SPDX-License-Identifier: Apache-2.0
// epsim: a case as a projection sees it.

public import CostModel
public import MoE

/// What a step does, before it is known which tokens go where and on what machine.
public struct ProjectedCase: Sendable {
  /// What stands for the experts.
  public enum Compute: Sendable, Equatable {
    /// The products of the experts, by the roofline of a rank.
    case real
    /// A time for every row, at this rate: as `--compute emulated` runs it.
    case emulated(FlopsPerSecond)
    /// Rows return at once.
    case none
  }

  public var model: ModelShape
  public var dedup: Dedup
  public var combine: CombineRule
  /// Whether ranks wait for those only that have rows for them.
  public var waitsForPartnersOnly: Bool
  /// Bytes of a row to the experts, with what travels beside it.
  public var dispatchBytes: Bytes
  /// Bytes of a row back.
  public var combineBytes: Bytes
  /// Bytes of a value in compute format.
  public var elementBytes: Double
  public var chunks: Int
  /// How the two hops of `node` follow one another.
  public var hops: ExchangeHops
  public var compute: Compute
  /// Whether the way back through the layers is run too: gradients take the two exchanges once
  /// more, and twice the products.
  public var runsBackward: Bool
  /// What stands between two layers: attention, on every rank.
  public var betweenLayers: Seconds
  /// [ranks] what a rank is late by in every layer.
  public var delays: [Int: Seconds]
  /// [ranks] how many times as long a rank's experts take.
  public var slowdowns: [Int: Double]

  public init(
    model: ModelShape, dedup: Dedup = .none, combine: CombineRule = .exact,
    waitsForPartnersOnly: Bool = false, dispatchBytes: Bytes, combineBytes: Bytes,
    elementBytes: Double, chunks: Int = 1, hops: ExchangeHops = .pipelined,
    compute: Compute = .real, runsBackward: Bool = false, betweenLayers: Seconds = .zero,
    delays: [Int: Seconds] = [:], slowdowns: [Int: Double] = [:]
  ) {
    self.model = model
    self.dedup = dedup
    self.combine = combine
    self.waitsForPartnersOnly = waitsForPartnersOnly
    self.dispatchBytes = dispatchBytes
    self.combineBytes = combineBytes
    self.elementBytes = elementBytes
    self.chunks = chunks
    self.hops = hops
    self.compute = compute
    self.runsBackward = runsBackward
    self.betweenLayers = betweenLayers
    self.delays = delays
    self.slowdowns = slowdowns
  }
}
