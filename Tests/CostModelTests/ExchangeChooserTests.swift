// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the choice among engines and numbers of chunks.

import CostModel
import Testing

@Suite("Choice of an exchange")
struct ExchangeChooserTests {
  /// The first is best for few bytes, the second for many: they cross at 200 kB.
  private let engines = [
    LinearEngine(engine: baseline, fixed: 10, perKilobyte: 1, travel: 0.8),
    LinearEngine(engine: messages, fixed: 110, perKilobyte: 0.5, travel: 0.8),
  ]

  private func chooser(_ chunks: [Int] = [1], nodes: Int = 1) -> ExchangeChooser {
    ExchangeChooser(
      table: table([series(engines)], nodes: nodes),
      candidates: engines.flatMap { engine in
        chunks.map { ExchangeChooser.Candidate(engine.engine, chunks: $0) }
      })
  }

  @Test("the truly fastest is chosen away from the crossing")
  func engine() {
    let chooser = chooser()
    for rows in stride(from: 1.0, through: 20_000, by: 37) where !(140...280).contains(rows) {
      let choice = chooser.choice(shape(rows: rows), expertUs: 0)
      #expect(choice.candidate == (rows < 200 ? 0 : 1), "\(rows)")
      #expect(choice.isExtrapolated == !(16...4096).contains(rows))
      let truth = engines[choice.candidate].us(rows * 1000)
      #expect(abs(choice.predictedUs / truth - 1) < 0.07)
    }
  }

  @Test("where nothing is known the first is taken")
  func unknown() {
    #expect(chooser().choice(nil, expertUs: 5) == ExchangeChooser.Choice(candidate: 0))
  }

  @Test("chunks stay one on one node, and where there is nothing to overlap")
  func oneChunk() {
    let large = shape(rows: 1000)
    #expect(chooser([1, 2, 4]).choice(large, expertUs: 600).candidate == 3)
    #expect(chooser([1, 2, 4], nodes: 2).choice(large, expertUs: 0).candidate == 3)
    // 1 % of the time is exchange.
    #expect(chooser([1, 2, 4], nodes: 2).choice(large, expertUs: 60_000).candidate == 3)
    // A fixed number is no choice.
    #expect(chooser([4]).choice(large, expertUs: 600).candidate == 1)
  }

  @Test("chunks are taken between nodes where they save a twentieth, with the time of the pipeline")
  func chunks() throws {
    let (rows, expert) = (2048.0, 900.0)
    let chooser = chooser([1, 2, 4], nodes: 2)
    let choice = chooser.choice(shape(rows: rows), expertUs: expert)
    let chosen = chooser.candidates[choice.candidate]
    #expect(chosen.engine == messages && chosen.chunks > 1)
    func prediction(_ rows: Double) throws -> MeasuredExchanges.Prediction {
      try #require(chooser.table.prediction(of: messages, shape(rows: rows)))
    }
    let (whole, count) = (try prediction(rows), Double(chosen.chunks))
    let travel = try prediction(rows / count).travelUs
    // Chunk by chunk: travel of the next beside the experts of the last.
    var (network, experts) = (0.0, 0.0)
    for _ in 0..<chosen.chunks {
      network += travel
      experts = max(network, experts) + expert / count
    }
    let total = whole.us - whole.travelUs + experts
    #expect(abs(choice.predictedUs + expert - total) < 1e-6)
    #expect(total < 0.95 * (whole.us + expert))
  }
}
