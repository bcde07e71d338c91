// SPDX-License-Identifier: Apache-2.0
// epsim: from demands and parameters to the time of a step.

public import CostModel
internal import MoE
internal import Placement

/// Computes steps of one case on one machine.
///
/// Per layer: what every rank does alone (roofline of its experts, bytes that it copies), what its
/// ports need for both exchanges (the port-serialisation bound), and the recursion over ranks that
/// waits where they meet.
public struct StepProjector {
  public let projected: ProjectedCase
  public let topology: Topology
  private let ranks: [RankParameters]
  private let experts: [ExpertTime]
  private let shared: [ExpertTime]
  private var ports: PortModel
  var recursion: LayerRecursion

  /// - Precondition: parameters of every rank of the topology.
  public init(
    _ projected: ProjectedCase, network: NetworkParameters, ranks: [RankParameters],
    topology: Topology
  ) {
    precondition(
      ranks.count == topology.rankCount, "\(ranks.count) ranks for \(topology.rankCount)")
    self.projected = projected
    self.topology = topology
    self.ranks = ranks
    let bytes = projected.elementBytes
    let widths = ExpertWidths(
      projected.model, bytesPerWeight: bytes, bytesPerActivation: bytes)
    let sharedWidths = ExpertWidths(
      hiddenSize: projected.model.hiddenSize, ffnSize: projected.model.sharedFFNSize,
      matrixCount: projected.model.activation.matrixCount, bytesPerWeight: bytes,
      bytesPerActivation: bytes)
    experts = ranks.map { ExpertTime($0, widths) }
    shared = ranks.map { ExpertTime($0, sharedWidths) }
    ports = PortModel(network, topology: topology)
    recursion = LayerRecursion(rankCount: topology.rankCount, chunks: projected.chunks)
  }

  /// Computes a step whose layers ask for this, in order.
  public mutating func step(_ layers: some Sequence<LayerDemand>) -> ProjectedStep {
    let leaves = ports.network.leaves?.nodesPerLeaf
    return step(loads: layers.map { LayerLoads($0, of: projected, nodesPerLeaf: leaves) })
  }

  /// Computes a step of these layers.
  /// - Precondition: their leaves are those of the network.
  public mutating func step(loads layers: [LayerLoads]) -> ProjectedStep {
    recursion.begin()
    var tally = BindingTally()
    for loads in layers { advance(loads, gradients: false, &tally) }
    if projected.runsBackward {
      for loads in layers.reversed() { advance(loads, gradients: true, &tally) }
    }
    return ProjectedStep(
      time: recursion.time, ranks: recursion.step,
      bindings: tally.bindings)
  }

  mutating func advance(
    _ loads: LayerLoads, gradients: Bool, _ tally: inout BindingTally
  ) {
    let work = work(loads, gradients: gradients)
    recursion.advance(work)
    tally.add(work.dispatch)
    tally.add(work.combine)
    let busiest = (0..<topology.rankCount).max {
      work.local[.expert, $0] < work.local[.expert, $1]
    }
    if let busiest { tally.add(experts: work.local[.expert, busiest], rank: busiest) }
  }

  private mutating func work(_ loads: LayerLoads, gradients: Bool) -> LayerWork {
    var work = LayerWork(rankCount: topology.rankCount)
    var there = loads.dispatch
    // Gradients of results travel as results do.
    if gradients { there.bytesPerCopy = projected.combineBytes }
    work.dispatch = ports.time(of: there, hops: hops)
    work.combine = ports.time(of: loads.combine, hops: backHops)
    work.dispatch.stretch(by: loads.dispatchSlowdown)
    work.combine.stretch(by: loads.combineSlowdown)
    work.dispatchSenders = loads.dispatchSenders
    work.combineSenders = loads.combineSenders
    work.chunks = projected.chunks
    work.overlapFactor = ports.network.overlapFactor
    let local = LocalTimes(projected, loads, gradients: gradients)
    for rank in 0..<topology.rankCount {
      local.fill(
        &work, rank: rank, ranks[rank], experts: experts[rank], shared: shared[rank])
    }
    return work
  }

  private var hops: ExchangeHops { projected.dedup == .node ? projected.hops : .pipelined }
  /// Exact results return straight.
  private var backHops: ExchangeHops { projected.combine == .exact ? .pipelined : hops }
}
