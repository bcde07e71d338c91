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
  /// How the two hops of `--dedup node` follow one another.
  public var hops: ExchangeHops
  /// A row on its way to an expert.
  public var dispatchBytes: Bytes
  /// A result on its way back.
  public var combineBytes: Bytes
  /// Which copy of an expert serves an assignment: rules that prefer near copies count as
  /// ``ReplicaChoice/nearest``, the others as all copies in turn.
  public var replicaChoice: ReplicaChoice

  public init(
    network: NetworkParameters, ranks: [RankParameters], widths: ExpertWidths, dedup: Dedup,
    combine: CombineRule = .exact, hops: ExchangeHops, dispatchBytes: Bytes, combineBytes: Bytes,
    replicaChoice: ReplicaChoice = .expertRoundRobin
  ) {
    self.network = network
    self.ranks = ranks
    self.widths = widths
    self.dedup = dedup
    self.combine = combine
    self.hops = hops
    self.dispatchBytes = dispatchBytes
    self.combineBytes = combineBytes
    self.replicaChoice = replicaChoice
  }

  /// Ports, experts and copies of these ranks, prepared for many evaluations.
  ///
  /// The hops of copies per node follow one another as they do in a run; results of `exact` combine
  /// return straight.
  /// - Precondition: parameters of every rank.
  public func model(on topology: Topology) -> LayerModel {
    let hops = dedup == .node ? hops : .pipelined
    return LayerModel(
      network, topology: topology, ranks: ranks, widths: widths, dispatchBytes: dispatchBytes,
      combineBytes: combineBytes, hops: hops, combineHops: combine == .exact ? .pipelined : hops)
  }
}
