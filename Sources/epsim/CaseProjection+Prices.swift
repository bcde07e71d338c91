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
    let scheme = try spec.exchange(defaultWire: WireFormat(elementType), table: nil).scheme
    let unit = scheme.unitBytes(
      hidden: model.hiddenSize, topology, slotOffsets: slotOffsets,
      choiceWidth: spec.topK ?? model.topK)
    return LayerPrices(
      network: profile.network, ranks: try profile.ranks(on: topology, precision),
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
