// SPDX-License-Identifier: Apache-2.0
// epsim: tests of what balancing single batches gains and costs.

import CostModel
import MoE
import Placement
import Testing
import Workloads

@Suite struct TransientScoreTests {
  private let topology = Topology(ranks: 4, nodes: 2)
  /// 100 flop per row, 1000 bytes of weights.
  private let widths = ExpertWidths(
    hiddenSize: 5, ffnSize: 5, matrixCount: 2, bytesPerWeight: 20, bytesPerActivation: 2)

  /// A row takes a second; rows travel at once; an expert takes a port 10 s inside, 50 s between.
  private func prices(rowBytes: Double = 0) -> LayerPrices {
    LayerPrices(
      network: NetworkParameters(
        inside: LinkParameters(latency: .zero, bandwidth: BytesPerSecond(100)),
        between: LinkParameters(latency: .zero, bandwidth: BytesPerSecond(20))),
      ranks: (0..<4).map { _ in
        RankParameters(
          efficiencies: [.init(rows: 1, rate: FlopsPerSecond(100))], memory: .infinity)
      }, widths: widths, dedup: .none, hops: .pipelined, dispatchBytes: Bytes(rowBytes),
      combineBytes: Bytes(rowBytes))
  }

  /// Two experts on each rank; 80, 20, 40 and 60 rows of tokens that need not travel.
  private func batch(_ rows: [Int] = [80, 20, 40, 60]) throws -> ServedBatch {
    ServedBatch(
      placement: try ExpertPlacement(
        name: "given", layers: [0], expertCount: 8, slotOffsets: [0, 2, 4, 6, 8],
        physicalToLogical: [[0, 1, 2, 3, 4, 5, 6, 7]]), topK: 1,
      slots: rows.enumerated().map { Array(repeating: Int32(2 * $0), count: $1) })
  }

  private func score(
    _ rule: String?, _ batches: [ServedBatch], prices: LayerPrices?
  ) throws -> TransientScore {
    var scorer = TransientScorer(
      try rule.map { try TransientRule(parsing: $0) }, topology: topology, widths: widths,
      prices: prices)
    for batch in batches { try scorer.add(batch) }
    return scorer.score
  }

  @Test func portsCarryTheWeightsAtTheSameTime() {
    func time(_ loans: [(Int, Int)]) -> Double {
      prices().time(
        of: loans.map { ExpertLoan(expert: 0, from: $0.0, to: $0.1) }, topology: topology
      ).value
    }
    #expect(time([]) == 0)
    #expect(time([(0, 1)]) == 10)
    #expect(time([(0, 1), (1, 0), (2, 3)]) == 10)
    #expect(time([(0, 2)]) == 50)
    // One port sends two experts, another gets three.
    #expect(time([(0, 2), (0, 3)]) == 100)
    #expect(time([(0, 1), (0, 1), (0, 1), (2, 1)]) == 50)
  }

  @Test func timeSavedIsSetAgainstTheWeights() throws {
    let batches = [try batch(), try batch([50, 50, 50, 50])]
    let without = try score(nil, batches, prices: prices())
    #expect(without.batches == 2 && without.lendingBatches == 0 && without.bytesPerBatch == 0)
    #expect(without.load.maxOverMean == 1.3)
    #expect(without.seconds == 65 && without.weightSeconds == 0)

    let with = try score("spill:1:least=1", batches, prices: prices())
    #expect(with.load.maxOverMean == 1)
    #expect(with.lendingBatches == 1 && with.expertsPerBatch == 1)
    #expect(with.offNodeExpertsPerBatch == 0 && with.bytesPerBatch == 1000)
    #expect(with.mostExpertsOfRank == 1 && without.mostExpertsOfRank == 0)
    // Expert 0 goes to rank 1 and expert 6 to rank 2, both inside nodes, in one of two batches.
    #expect(with.weightSeconds == 5)
  }

  /// Rows that are spilled travel: from rank 0 to rank 1, and from 3 to 2, both ways.
  @Test func lendingPaysFromSoManyTokens() throws {
    let batches = [try batch()]
    let costly = prices(rowBytes: 50)
    let without = try score(nil, batches, prices: costly)
    let with = try score("spill:1:least=1", batches, prices: costly)
    #expect(without.rowSeconds == 80)
    // 30 rows of 50 bytes at 100 bytes/s there, and back.
    #expect(abs(try #require(with.rowSeconds) - (50 + 15 + 15)) < 1e-9)
    #expect(with.scale(fromWhichFasterThan: without) == nil)

    // Without bytes 30 s are saved for 10 s of weights: from a third of the tokens on.
    let free = try score(nil, batches, prices: prices())
    let spilled = try score("spill:1:least=1", batches, prices: prices())
    let scale = try #require(spilled.scale(fromWhichFasterThan: free))
    #expect(abs(scale - 1.0 / 3) < 1e-9)
    #expect(try score("spill", batches, prices: nil).scale(fromWhichFasterThan: free) == nil)
  }

  /// A scale of two is as good as every token twice.
  @Test func scaledTimesAreThoseOfMoreTokens() throws {
    for number in 0..<20 {
      let instance = try RandomInstance(number, ranks: 2...6, experts: 2...9, tokens: 30)
      for dedup in Dedup.allCases {
        let prices = layerPrices(dedup, ranks: instance.topology.rankCount)
        var layer = PricedLayer(prices, topology: instance.topology)
        var counters = instance.counters(.expertRoundRobin)
        let scaled = layer.times(counters, layerRow: 0, scales: [0.5, 2])[1].value
        counters += counters
        let doubled = layer.time(counters, layerRow: 0).value
        #expect(abs(scaled - doubled) < 1e-12 * doubled)
      }
    }
  }

  @Test func rowsThatAnExpertIsWorthAreThoseOfTheFormula() {
    // 1000 bytes at 20 bytes/s against 1 s of work and 2 x 10 bytes.
    #expect(prices(rowBytes: 10).rowsPerExpert(on: topology) == 50.0 / 2)
    #expect(prices(rowBytes: 10).rowsPerExpert(on: Topology(ranks: 4)) == 10 / 1.2)
  }

  /// Expert 0 has 80 rows of rank 1, which serves another row; ranks get it in a chain.
  @Test func shadowsFollowThePrices() throws {
    let batch = ServedBatch(
      placement: try batch().placement, topK: 1,
      slots: [[], Array(repeating: 0, count: 80), [4], [6, 2]])
    // An expert is worth 50 s: 80 s of rows are more than one of them and a row.
    let with = try score("shadow", [batch], prices: prices())
    #expect(with.expertsPerBatch == 3 && with.offNodeExpertsPerBatch == 1)
    #expect(with.rowSeconds == 81 && with.weightSeconds == 50)
    let none = try score("shadow:first-stop:rows=80", [batch], prices: prices())
    #expect(none.expertsPerBatch == 0)
    // Without a cluster an expert is worth 2 x 5 / 2 rows.
    #expect(try score("shadow", [batch], prices: nil).expertsPerBatch == 3)
  }
}
