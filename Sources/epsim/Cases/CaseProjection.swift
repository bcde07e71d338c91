// SPDX-License-Identifier: Apache-2.0
// epsim: from a case as it is written to its projection.

internal import CostModel
internal import ExpertParallel
internal import Kernels
internal import MoE
internal import Placement
internal import Projection

/// Makes projected cases of the cases of the command line.
struct CaseProjection {
  let model: ModelShape
  let elementType: ElementType
  let topology: Topology
  /// How the two hops of `--dedup node` follow one another on this machine.
  let hops: ExchangeHops

  /// What a case does, as far as its time depends on it.
  func projected(_ spec: CaseSpec, placement: ExpertPlacement) throws -> ProjectedCase {
    try requireProjectable(spec)
    let scheme = try spec.exchange(defaultWire: WireFormat(elementType), table: nil).scheme
    let unit = scheme.unitBytes(
      hidden: model.hiddenSize, topology, slotOffsets: placement.slotOffsets,
      choiceWidth: spec.topK ?? model.topK)
    let compute: ProjectedCase.Compute =
      switch spec.compute {
      case .real: .real
      case .emulated: .emulated(FlopsPerSecond(spec.expertRate!))
      case .none: .none
      }
    return ProjectedCase(
      model: model, dedup: scheme.dedup, combine: scheme.combine,
      waitsForPartnersOnly: scheme.transport == .pointToPoint, dispatchBytes: Bytes(Double(unit)),
      combineBytes: Bytes(Double(model.hiddenSize * scheme.combineWire.byteCount)),
      elementBytes: Double(elementType.byteCount), chunks: scheme.chunks, hops: hops,
      compute: compute,
      delays: spec.disturbance.delay.map { [$0.rank: .microseconds($0.microseconds)] } ?? [:],
      slowdowns: spec.disturbance.slowdown.map { [$0.rank: $0.factor] } ?? [:])
  }

  /// Refuses an exchange whose time does not follow from what tokens ask for.
  func requirePriceable(_ spec: CaseSpec) throws {
    if let text = spec.automatic.text {
      throw InputError("\(text) cannot be projected, accepted is a named way to exchange rows")
    }
    try Self.requireProjectable(spec.transport)
  }

  /// Refuses a case whose steps cannot be computed.
  func requireProjectable(_ spec: CaseSpec) throws {
    try requirePriceable(spec)
    if spec.disturbance.jitterMicroseconds > 0 {
      throw InputError(
        "--jitter \(spec.disturbance.jitterMicroseconds) cannot be projected, accepted are --delay "
          + "and --slow")
    }
  }

  /// Refuses a transport that moves other rows than those that tokens ask for.
  static func requireProjectable(_ transport: Transport) throws {
    guard transport != .padded, transport != .allGather else {
      throw InputError(
        "--transport \(transport.rawValue) cannot be projected, accepted are alltoallv, p2p and "
          + "shm+...")
    }
  }

  /// [R] tokens that start on each rank.
  static func tokensPerRank(_ rankOfPosition: [Int32], rankCount: Int) -> [Int] {
    rankOfPosition.reduce(into: Array(repeating: 0, count: rankCount)) { $0[Int($1)] += 1 }
  }
}
