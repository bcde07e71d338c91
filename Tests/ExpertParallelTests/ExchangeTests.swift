// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the exchange engines against each other, the reference and the counters.

import CostModel
import ExpertParallel
import Kernels
import MPI
import MoE
import Placement
import TestSupport
import Testing
import Workloads

/// Every scheme of the exact class with these wires.
func exactSchemes(wire: WireFormat, combineWire: ElementType = .f32) -> [ExchangeScheme] {
  schemes(combine: .exact, wire: wire, combineWire: combineWire).filter { !$0.isTolerance }
}

/// Every scheme with these wires that makes sense.
func schemes(
  combine: CombineRule, wire: WireFormat, combineWire: ElementType = .f32
) -> [ExchangeScheme] {
  Dedup.allCases.flatMap { dedup in
    Transport.allCases.flatMap { transport in
      [1, 3].map { chunks in
        ExchangeScheme(
          dedup: dedup, transport: transport, wire: wire, combine: combine,
          combineWire: combineWire, chunks: chunks)
      }
    }
  }.filter { $0.contradiction == nil }
}

@Suite("Exchange engines", .serialized) @MainActor
struct ExchangeTests {
  private let zipf = ZipfWorkload(
    exponent: 1.2, expertCount: 10, topK: 3, layerCount: 4, seed: 9)

  /// One node, blocks of nodes, and nodes with unequal numbers of ranks, one of them not in order.
  private static let topologies: [(String, (Int) -> [Int])] = [
    ("one node", { Array(repeating: 0, count: $0) }),
    ("a node each", { Array(0..<$0) }),
    ("all but one", { (0..<$0).map { $0 == 1 ? 1 : 0 } }),
    ("in turn", { (0..<$0).map { $0 % 2 } }),
  ]

  @Test(
    "every engine gives the same output, on any number of ranks and nodes",
    arguments: [WireFormat.f32, .bf16, .fp8], [ElementType.f32, .bf16])
  func digests(wire: WireFormat, combineWire: ElementType) throws {
    var digests: [String: Set<UInt64>] = [:]
    for (name, nodes) in Self.topologies {
      let scenario = Scenario(
        layers: [1, 3], tokens: 29, steps: 1, workload: zipf, nodeOfRank: nodes,
        placements: ["contiguous", "eplb+3"], replicaChoices: [.expertRoundRobin],
        schemes: exactSchemes(wire: wire, combineWire: combineWire))
      digests[name] = try scenario.digests()
    }
    let all = digests.values.reduce(into: Set()) { $0.formUnion($1) }
    try expectOnAllRanks(
      SharedMPI.world.rank != 0 || all.count == 1, "\(wire) \(combineWire): \(digests)")
  }

  @Test(
    "sums on the experts' ranks lie within rounding of the reference", arguments: [false, true])
  func sums(isRounded: Bool) throws {
    let combineWire: ElementType = isRounded ? .bf16 : .f32
    for (name, nodes) in Self.topologies {
      let scenario = Scenario(
        layers: [2], tokens: 29, steps: 1, workload: zipf, nodeOfRank: nodes,
        schemes: (schemes(combine: .preReduced, wire: .f32, combineWire: combineWire)
          + schemes(combine: .exact, wire: .f32, combineWire: combineWire))
          .filter(\.isTolerance),
        checksReference: true)
      for entry in try scenario.run(ranks: SharedMPI.world.size)?.cases ?? [] {
        let error = try #require(entry[0].referenceError)
        #expect(error < (isRounded ? 2e-2 : 1e-5), "\(name) \(entry[0].name): \(error)")
        #expect(!isRounded || error > 1e-5)
      }
    }
  }

  @Test("all tokens to one expert, K = 1, K = E, fewer experts than ranks, ranks without tokens")
  func extremes() throws {
    var model = smallModel
    for (experts, topK, tokens) in [(1, 1, 7), (2, 1, 1), (3, 3, 5), (10, 10, 3), (7, 1, 2)] {
      model = ModelShape(
        name: "small", source: "test", hiddenSize: 40, expertFFNSize: 24, expertCount: experts,
        topK: topK, layerCount: 2, router: RouterRule(score: .softmax, renormalises: true))
      for (name, nodes) in Self.topologies {
        let scenario = Scenario(
          model: model, layers: [0, 1], tokens: tokens, steps: 1, nodeOfRank: nodes,
          schemes: exactSchemes(wire: .f32), checksReference: true)
        let digests = try scenario.digests()
        try expectOnAllRanks(
          SharedMPI.world.rank != 0 || digests.count == 1,
          "\(experts) experts, \(name): \(digests)")
        for entry in try scenario.run(ranks: SharedMPI.world.size)?.cases ?? [] {
          #expect(entry[0].referenceError! < 1e-5, "\(entry[0].name)")
        }
      }
    }
  }
}
