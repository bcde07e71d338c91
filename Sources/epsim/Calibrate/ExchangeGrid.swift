// SPDX-License-Identifier: Apache-2.0
// epsim: the exchanges that are measured, and the engines that carry them.

internal import CostModel
internal import ExpertParallel
internal import Kernels
internal import MoE
internal import Placement
internal import Workloads

/// A grid of exchanges: workloads, experts per token, lengths of a row, tokens per rank.
struct ExchangeGrid {
  /// What the exchanges of a series have in common.
  struct Class {
    let workload: String
    let topK: Int
    let hidden: Int
  }

  /// Even loads, skewed loads, and few partners with many choices in one place.
  static let workloads = ["uniform", "zipf:1.2", "neighbours"]
  static let warmupSteps = 2

  var topKs = [2, 8]
  var hiddens = [512, 2048, 6144]
  var tokensPerRank = [8, 32, 128, 512]
  var steps = 20
  let topology: Topology
  let elementType: ElementType
  let seed: UInt64

  init(topology: Topology, elementType: ElementType, seed: UInt64) {
    self.topology = topology
    self.elementType = elementType
    self.seed = seed
  }

  var classes: [Class] {
    Self.workloads.flatMap { workload in
      topKs.flatMap { topK in
        hiddens.map { Class(workload: workload, topK: topK, hidden: $0) }
      }
    }
  }

  /// E: at least 64, and equal shares for all ranks.
  private var expertCount: Int {
    let ranks = topology.rankCount
    return ranks * max(1, (64 + ranks - 1) / ranks)
  }

  /// Every way to exchange rows that gives the same bits and makes sense on these ranks.
  var engines: [MeasuredExchanges.Engine] {
    let sharesNodes = topology.rankCount > topology.nodeCount
    let dedups: [Dedup] = topology.nodeCount > 1 ? [.none, .rank, .node] : [.none, .rank]
    return dedups.flatMap { dedup in
      Transport.allCases.filter { transport in
        switch transport {
        case .allGather: false
        // On one node nothing travels between nodes, so one of the two is enough.
        case .sharedAllToAllV: sharesNodes && topology.nodeCount > 1
        case .sharedPointToPoint: sharesNodes
        default: true
        }
      }.map { MeasuredExchanges.Engine(dedup, $0) }
    }.filter { scheme($0).contradiction == nil }
  }

  private func scheme(_ engine: MeasuredExchanges.Engine) -> ExchangeScheme {
    ExchangeScheme(
      dedup: engine.dedup, transport: engine.transport, wire: WireFormat(elementType))
  }

  /// A run of every engine on one exchange per step.
  func configuration(_ entry: Class, tokensPerRank tokens: Int) throws -> RunConfiguration {
    let ranks = topology.rankCount
    let model = ModelShape(
      name: "calibration", source: "epsim", hiddenSize: entry.hidden, expertFFNSize: 1,
      expertCount: expertCount, topK: entry.topK, layerCount: 1,
      router: RouterRule(score: .softmax, renormalises: true))
    let placement = try PlacementSpec.contiguous.place(
      load: LoadHistogram(layers: [0], expertCount: expertCount), topology: topology, groups: 1,
      modelLayers: [0])
    let dealt = try TokenAssignment.block.ranks(tokenCount: tokens * ranks, rankCount: ranks)
    return RunConfiguration(
      model: model, layers: [0], elementType: elementType, weightSharing: .shared, seed: seed,
      tokenCount: tokens * ranks,
      rankOfPosition: Array(repeating: dealt, count: Self.warmupSteps + steps),
      warmupSteps: Self.warmupSteps, measuredSteps: steps,
      routings: [.workload(try routing(entry, tokensPerRank: tokens))],
      cases: engines.map { engine in
        RunCase(
          name: "\(engine.dedup.rawValue) \(engine.transport.rawValue)", placement: placement,
          replicaChoice: .expertRoundRobin, exchange: scheme(engine), compute: .none)
      }, topology: topology, checksReference: false)
  }

  private func routing(_ entry: Class, tokensPerRank tokens: Int) throws -> any RoutingSource {
    guard entry.workload != "neighbours" else {
      return NeighbourRouting(
        expertCount: expertCount, topK: entry.topK, rankCount: topology.rankCount,
        tokensPerRank: tokens, seed: seed)
    }
    return try WorkloadSpec(parsing: entry.workload).generator(
      expertCount: expertCount, topK: entry.topK, layerCount: 1, seed: seed,
      tokensPerStep: tokens * topology.rankCount)!
  }
}
