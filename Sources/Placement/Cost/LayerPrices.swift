// SPDX-License-Identifier: Apache-2.0
// epsim: what a machine and a case make of traffic and load.

public import CostModel

/// Everything but the placement that the time of a layer depends on.
public struct LayerPrices: Sendable {
  public var network: NetworkParameters
  /// [R]
  public var ranks: [RankParameters]
  public var widths: ExpertWidths
  public var dedup: Dedup
  public var combine: CombineRule
  public var hops: ExchangeHops
  /// A row on its way to an expert.
  public var dispatchBytes: Bytes
  /// A result on its way back.
  public var combineBytes: Bytes

  public init(
    network: NetworkParameters, ranks: [RankParameters], widths: ExpertWidths, dedup: Dedup,
    combine: CombineRule = .exact, hops: ExchangeHops, dispatchBytes: Bytes, combineBytes: Bytes
  ) {
    self.network = network
    self.ranks = ranks
    self.widths = widths
    self.dedup = dedup
    self.combine = combine
    self.hops = hops
    self.dispatchBytes = dispatchBytes
    self.combineBytes = combineBytes
  }
}
