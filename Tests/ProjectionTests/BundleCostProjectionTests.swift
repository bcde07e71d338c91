// SPDX-License-Identifier: Apache-2.0
// epsim: a layer's time as searches see it against the projected step.

import CostModel
import MoE
import Placement
import Projection
import Testing
import Workloads

@Suite struct BundleCostProjectionTests {
  /// Without copies inside ranks, route and shared experts both models have the same terms.
  @Test(arguments: Dedup.allCases, [CombineRule.exact, .preReduced])
  func searchesSeeWhatProjectionsSee(dedup: Dedup, combine: CombineRule) throws {
    let topology = Topology(nodeOfRank: [0, 0, 0, 1, 1])
    let model = ModelShape(
      name: "small", source: "made up", hiddenSize: 64, expertFFNSize: 32, expertCount: 15, topK: 3,
      sharedExpertCount: 0, layerCount: 2, router: RouterRule(score: .softmax, renormalises: true))
    let ranks = (0..<5).map {
      RankParameters(
        efficiencies: [
          .init(rows: 1, rate: FlopsPerSecond(2e9)), .init(rows: 8, rate: FlopsPerSecond(9e9)),
        ], memory: .gigabytes(1), fixed: .microseconds(2), perExpert: .microseconds(1),
        perAssignment: .microseconds(0.05), speed: $0 == 1 ? 0.5 : 1)
    }
    for hops in ExchangeHops.allCases {
      let projected = ProjectedCase(
        model: model, dedup: dedup, combine: combine, dispatchBytes: Bytes(140),
        combineBytes: Bytes(256), elementBytes: 2, hops: hops)
      var fixture = SmallStep.fixture(topology)
      fixture.layers.removeLast()
      let step = try SmallStep.step(projected, fixture, ranks: ranks)
      let bundles = RoutingBundles(
        rankCount: 5, expertCount: 15,
        tokens: fixture.layers[0].enumerated().flatMap { rank, tokens in
          tokens.map { (source: rank, experts: $0) }
        })
      let prices = LayerPrices(
        network: SmallStep.network, ranks: ranks, widths: ExpertWidths(model), dedup: dedup,
        combine: combine, hops: hops, dispatchBytes: Bytes(140), combineBytes: Bytes(256))
      let cost = BundleCost(
        bundles, expertOfSlot: (0..<15).map { $0 }, rankOfSlot: (0..<15).map { $0 / 3 },
        topology: topology, prices: prices)
      #expect(abs(cost.time.value / step.time.value - 1) < 1e-12)
      for phase in [RankPhase.dispatchTransfer, .expert, .combineTransfer] {
        for rank in 0..<5 {
          #expect(abs((cost.phases[phase, rank] - step.ranks[phase, rank]).value) < 1e-15)
        }
      }
    }
  }
}
