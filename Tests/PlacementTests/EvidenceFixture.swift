// SPDX-License-Identifier: Apache-2.0
// epsim: tokens for strategies that look at more than a load.

import CostModel
import MoE
import Placement
import Workloads

/// Windows of one layer in which experts have the given loads; each token has one expert.
func windowedEvidence(_ windows: [[Int]]) -> RoutingEvidence {
  RoutingEvidence(
    layers: [0],
    windows: windows.map { loads in
      let tokens = loads.enumerated().flatMap { expert, count in
        (0..<count).map { _ in (source: 0, experts: [Int32(expert)]) }
      }
      return [RoutingBundles(rankCount: 1, expertCount: loads.count, tokens: tokens)]
    })
}

extension PlacementProblem {
  /// A problem whose load is that of the windows.
  init(
    windows: [[Int]], ranks: Int, extraSlots: Int = 0, slotsPerRank: [Int]? = nil,
    rankSpeeds: [Double]? = nil
  ) {
    let evidence = windowedEvidence(windows)
    self.init(
      load: evidence.load, topology: Topology(ranks: ranks), extraSlots: extraSlots,
      slotsPerRank: slotsPerRank, rankSpeeds: rankSpeeds, evidence: evidence)
  }

  /// Random tokens of three layers in four windows, and all else that a strategy may ask for.
  static func offeringEverything(experts: Int, ranks: Int, seed: UInt64) throws -> Self {
    var random = RandomDraws(key: seed, number: experts)
    let topK = min(2, experts)
    let windows = (0..<4).map { _ in
      (0..<3).map { layer in
        RoutingBundles(
          rankCount: ranks, expertCount: experts,
          tokens: (0..<40).map { token in
            var chosen: Set<Int32> = []
            while chosen.count < topK {
              let draws = (0...layer).map { _ in
                Int32.random(in: 0..<Int32(experts), using: &random)
              }
              chosen.insert(draws.min()!)
            }
            return (source: token % ranks, experts: chosen.sorted())
          })
      }
    }
    let evidence = RoutingEvidence(layers: [1, 2, 5], windows: windows)
    let topology = Topology(ranks: ranks, nodes: min(2, ranks))
    let load = evidence.load
    return PlacementProblem(
      load: load, topology: topology, evidence: evidence,
      current: try ContiguousPlacement().place(
        PlacementProblem(load: load, topology: topology), name: "current"),
      prices: .examples(ranks: ranks), secondLimit: 2)
  }
}

extension LayerPrices {
  /// 10 GB/s inside nodes, 1 GB/s between them; 1 Tflop/s in experts of 64 x 32.
  static func examples(ranks: Int) -> LayerPrices {
    LayerPrices(
      network: NetworkParameters(
        inside: LinkParameters(
          latency: .microseconds(1), bandwidth: .gigabytes(10)),
        between: LinkParameters(latency: .microseconds(5), bandwidth: .gigabytes(1))),
      ranks: Array(
        repeating: RankParameters(
          efficiencies: [.init(rows: 1, rate: FlopsPerSecond(1e12))], memory: .gigabytes(100)),
        count: ranks),
      widths: ExpertWidths(hiddenSize: 64, ffnSize: 32), dedup: .rank, hops: .pipelined,
      dispatchBytes: Bytes(128), combineBytes: Bytes(128))
  }
}
