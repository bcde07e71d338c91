// SPDX-License-Identifier: Apache-2.0
// epsim: what layers of a case cost on a cluster.

internal import CostModel
internal import ExpertParallel
internal import Kernels
internal import MoE
internal import Placement
internal import Projection

extension CaseProjection {
  /// What a placement is chosen and judged by on a cluster.
  ///
  /// - Parameter slotOffsets: [R + 1] slots of the ranks; they decide what travels beside a row.
  /// - Throws: ``InputError`` where the case cannot be projected, or the profile has no peak for
  ///   the precision.
  func prices(
    _ spec: CaseSpec, slotOffsets: [Int], profile: ClusterProfile, precision: Precision
  ) throws -> LayerPrices {
    try requirePriceable(spec)
    let scheme = try spec.exchange(defaultWire: WireFormat(elementType), table: nil).scheme
    let unit = scheme.unitBytes(
      hidden: model.hiddenSize, topology, slotOffsets: slotOffsets,
      choiceWidth: spec.topK ?? model.topK)
    return LayerPrices(
      network: profile.network,
      ranks: try profile.ranks(on: topology, precision).map { $0.running(spec) },
      widths: ExpertWidths(
        model, bytesPerWeight: precision.bytes, bytesPerActivation: precision.bytes),
      dedup: scheme.dedup, combine: scheme.combine, hops: hops,
      dispatchBytes: Bytes(Double(unit)),
      combineBytes: Bytes(Double(model.hiddenSize * scheme.combineWire.byteCount)),
      replicaChoice: spec.replicaChoice)
  }
}

extension ClusterProfile {
  /// bf16 where ranks have a peak for it, else the first format that they have one for.
  var usualPrecision: Precision { precisions.contains(.bf16) ? .bf16 : precisions.first ?? .f32 }

  /// How the two hops of `--dedup node` follow one another: kernels of accelerators forward while
  /// they receive; epsim's own engine does one hop after the other, as most MPI programs do.
  var hops: ExchangeHops { forwardsWhileReceiving ? .pipelined : .summed }
}

extension RankParameters {
  /// The rank with what stands for its experts in a case: stand-ins read no weights, and sleep as
  /// long on every rank.
  fileprivate func running(_ spec: CaseSpec) -> RankParameters {
    guard spec.compute != .real else { return self }
    var rank = self
    rank.efficiencies =
      spec.expertRate.map { rate in
        [Efficiency(rows: 1, rate: FlopsPerSecond(rate / speed))]
      } ?? []
    (rank.memory, rank.fixed, rank.perExpert) = (.infinity, .zero, .zero)
    return rank
  }
}
