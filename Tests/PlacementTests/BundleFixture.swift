// SPDX-License-Identifier: Apache-2.0
// epsim: tokens and prices for tests of what looks at traffic and time.

import CostModel
import MoE
import Placement
import Workloads

/// Tokens drawn with some experts more often than others.
func drawnBundles(
  seed: UInt64, tokens: Int, ranks: Int, experts: Int, topK: Int, distinct: Bool = false
) -> RoutingBundles {
  let random = CounterRandom(seed: seed, 77)
  var position: UInt64 = 0
  func draw(_ below: Int) -> Int {
    position += 1
    return Int(random.bits(at: position) % UInt64(below))
  }
  var seen: Set<[Int32]> = []
  var rows: [(source: Int, experts: [Int32])] = []
  while rows.count < tokens {
    let source = draw(ranks)
    var chosen: Set<Int32> = []
    while chosen.count < topK { chosen.insert(Int32(min(draw(experts), draw(experts)))) }
    if !distinct || seen.insert([Int32(source)] + chosen.sorted()).inserted {
      rows.append((source, chosen.sorted()))
    }
  }
  return RoutingBundles(rankCount: ranks, expertCount: experts, tokens: rows)
}

/// A machine on which all terms of a layer count.
func layerPrices(
  _ dedup: Dedup, _ combine: CombineRule = .exact, ranks: Int,
  choice: ReplicaChoice = .nearest, nodesPerLeaf: Int? = nil
) -> LayerPrices {
  LayerPrices(
    network: NetworkParameters(
      fixed: .microseconds(5),
      inside: LinkParameters(latency: .microseconds(1), bandwidth: .gigabytes(4)),
      between: LinkParameters(latency: .microseconds(7), bandwidth: .gigabytes(0.5)),
      ranksPerPort: 2,
      leaves: nodesPerLeaf.map { .init(nodesPerLeaf: $0, uplinks: .gigabytes(0.7)) }),
    ranks: (0..<ranks).map {
      RankParameters(
        efficiencies: [
          .init(rows: 1, rate: FlopsPerSecond(1e9)), .init(rows: 64, rate: FlopsPerSecond(2e10)),
        ], memory: .gigabytes(10), fixed: .microseconds(3), perExpert: .microseconds(1),
        copies: .gigabytes(8), perAssignment: .microseconds(0.01), speed: $0 == 1 ? 0.5 : 1)
    },
    widths: ExpertWidths(hiddenSize: 64, ffnSize: 32), dedup: dedup, combine: combine,
    hops: .summed, dispatchBytes: Bytes(512), combineBytes: Bytes(1024), replicaChoice: choice)
}

/// A problem of one layer, whose windows these are.
func trafficProblem(
  _ windows: [RoutingBundles], _ topology: Topology, prices: LayerPrices? = nil,
  extraSlots: Int = 0, slotsPerRank: [Int]? = nil
) -> PlacementProblem {
  let evidence = RoutingEvidence(layers: [3], windows: windows.map { [$0] })
  return PlacementProblem(
    load: evidence.load, topology: topology, extraSlots: extraSlots, slotsPerRank: slotsPerRank,
    evidence: evidence, prices: prices, secondLimit: 3600)
}

extension BundleCost {
  /// The cost of a row of a placement.
  init(
    _ bundles: RoutingBundles, _ placement: ExpertPlacement, _ topology: Topology,
    _ prices: LayerPrices, row: Int = 0
  ) {
    self.init(
      bundles, expertOfSlot: placement.physicalToLogical[row],
      rankOfSlot: placement.rankOfSlot.map { Int($0) }, topology: topology, prices: prices)
  }
}
