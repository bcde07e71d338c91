// SPDX-License-Identifier: Apache-2.0
// epsim: tests of exchanges that are chosen layer by layer and step by step.

import CostModel
import ExpertParallel
import Kernels
import MPI
import MoE
import Placement
import TestSupport
import Testing
import Workloads

@Suite("Chosen exchanges", .serialized) @MainActor
struct ExchangeSelectionTests {
  /// A table in which the fastest engine changes with a few bytes or a little skew.
  private func table(_ schemes: [ExchangeScheme], nodes: Int) -> MeasuredExchanges {
    let engines = schemes.reduce(into: [MeasuredExchanges.Engine]()) { engines, scheme in
      let engine = MeasuredExchanges.Engine(scheme.dedup, scheme.transport)
      if !engines.contains(engine) { engines.append(engine) }
    }
    let random = CounterRandom(seed: 3)
    let series = (0..<100).map { number in
      MeasuredExchanges.Series(
        workload: "", topK: 1, hidden: 1,
        points: (1...40).map { point in
          MeasuredExchanges.Point(
            tokensPerRank: 1,
            shape: ExchangeShape(
              rowsPerRank: Double(point), rowBytes: 500, skew: 1 + Double(number) / 50),
            times: engines.indices.map { index in
              let draw = (number * 40 + point) * engines.count + index
              return MeasuredExchanges.Time(
                engines[index], us: 1 + Double(random.bits(at: UInt64(draw)) % 1000))
            })
        })
    }
    let machine = MeasuredExchanges.Machine(
      ranks: max(2, nodes), nodes: nodes, ranksPerNode: [], cores: 1, hosts: [], mpi: "",
      epsim: "")
    return MeasuredExchanges(
      created: "", machine: machine, steps: 8,
      series: series)
  }

  /// The first case travels as its scheme says, the second as is chosen.
  private func run(_ scenario: Scenario, schemes: [ExchangeScheme]) throws -> RunResult? {
    let comm = SharedMPI.world
    var scenario = scenario
    scenario.schemes = [schemes[0]]
    var configuration = try scenario.configuration(ranks: comm.size)
    var chosen = configuration.cases[0]
    chosen.name = "auto"
    chosen.selection = ExchangeSelection(
      schemes: schemes, table: table(schemes, nodes: configuration.topology.nodeCount))
    configuration.cases.append(chosen)
    return try InterleavedRun(configuration).run(on: comm, context: sharedKernels.get())
  }

  @Test("whatever is chosen gives the same output, on one node and on two", arguments: [1, 2])
  func digests(nodes: Int) throws {
    let workload = ZipfWorkload(exponent: 1.2, expertCount: 10, topK: 3, layerCount: 4, seed: 9)
    let schemes = exactSchemes(wire: .f32).filter { $0.chunks == 1 }
    let scenario = Scenario(tokens: 61, steps: 4, warmup: 1, workload: workload, nodes: nodes)
    guard let result = try run(scenario, schemes: schemes) else { return }
    let (fixed, chosen) = (result.cases[0][0], result.cases[1][0])
    #expect(fixed.digest == chosen.digest)
    #expect(fixed.choices.allSatisfy { $0.isEmpty })
    #expect(chosen.choices.count == 4 && chosen.choices.allSatisfy { $0.count == 3 })
    let candidates = Set(chosen.choices.joined().map(\.candidate))
    // Alone a rank has the same rows in every layer.
    #expect(candidates.count > 1 || SharedMPI.world.size == 1, "\(candidates)")
    #expect(chosen.choices.joined().allSatisfy { $0.predictedUs > 0 })
    // The rows that arrived do not depend on the way.
    #expect(fixed.receivedRows == chosen.receivedRows)
  }

  @Test("live routers choose by the step before, and at first nothing is known")
  func live() throws {
    let schemes = exactSchemes(wire: .f32).filter { $0.chunks == 1 }
    let scenario = Scenario(tokens: 61, steps: 3, warmup: 0, biasUpdateRate: 0.01)
    guard let result = try run(scenario, schemes: schemes) else { return }
    let (fixed, chosen) = (result.cases[0][0], result.cases[1][0])
    #expect(fixed.digest == chosen.digest)
    #expect(chosen.choices[0].allSatisfy { $0 == ExchangeChooser.Choice(candidate: 0) })
    #expect(chosen.choices[1].allSatisfy { $0.predictedUs > 0 })
  }

  /// Every token goes to one other rank, in every layer to another one.
  private struct NextRank: RoutingSource {
    let name = "next rank"
    let expertCount = 12
    let topK = 2
    let rankCount: Int
    let tokensPerStep: Int

    func hasLayer(_ layer: Int) -> Bool { true }

    func route(
      layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
    ) {
      for row in 0..<positions.count {
        let own = Int(positions[row]) * rankCount / tokensPerStep
        let rank = (own + 1 + layer % max(1, rankCount - 1)) % rankCount
        // The number of rows varies with the layer, so that the choice does.
        let isDropped = (Int(positions[row]) + layer) % 5 < layer % 3
        for choice in 0..<2 {
          decision.expertIndices[2 * row + choice] =
            isDropped && choice == 1 ? -1 : Int32(rank * 12 / rankCount + choice)
          decision.routingWeights[2 * row + choice] = 0.5
        }
      }
    }
  }

  @Test("counts to few partners of one engine are not taken for those of another")
  func fewPartners() throws {
    let model = ModelShape(
      name: "deep", source: "test", hiddenSize: 16, expertFFNSize: 8, expertCount: 12, topK: 2,
      layerCount: 12, router: RouterRule(score: .softmax, renormalises: true))
    let ranks = SharedMPI.world.size
    let scenario = Scenario(
      model: model, layers: Array(0..<12), sharing: .shared, tokens: 16 * ranks, steps: 6,
      workload: NextRank(rankCount: ranks, tokensPerStep: 16 * ranks))
    let schemes = [Dedup.none, .rank].map {
      ExchangeScheme(dedup: $0, transport: .pointToPoint, wire: .f32)
    }
    guard let result = try run(scenario, schemes: schemes) else { return }
    #expect(result.cases[0][0].digest == result.cases[1][0].digest)
    let candidates = result.cases[1][0].choices.joined().map(\.candidate)
    #expect(Set(candidates) == [0, 1])
  }
}
