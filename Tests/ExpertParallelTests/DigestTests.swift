// SPDX-License-Identifier: Apache-2.0
// epsim: tests that the output does not depend on ranks, placement, replica choice or exchange.

import ExpertParallel
import Kernels
import MPI
import MoE
import Placement
import TestSupport
import Testing
import Workloads

private let allPlacements = [
  "contiguous", "round-robin", "random:3", "lpt", "eplb", "eplb+5", "eplb+12",
]

@Suite("Digest", .serialized) @MainActor
struct DigestTests {
  /// One digest for all: 1 to n ranks, 7 placements, 2 replica choices.
  private func expectOneDigest(_ scenario: Scenario) throws {
    var scenario = scenario
    scenario.placements = allPlacements
    scenario.replicaChoices = [.expertRoundRobin, .nearest]
    let digests = try scenario.digests()
    try expectOnAllRanks(
      SharedMPI.world.rank != 0 || digests.count == 1, "digests \(digests)")
  }

  @Test("is the same for every rank count and placement on a real trace")
  func trace() throws {
    for type in try supportedTypes() {
      let trace = try lawTrace()
      try expectOneDigest(
        Scenario(
          model: try tinyModel(), layers: [1, 19, 26], elementType: type, sharing: .shared,
          tokens: 96,
          workload: TraceWorkload(
            trace: trace, tokens: 4163..<trace.tokenCount, windowSize: 96)))
    }
  }

  @Test("is the same for every rank count and placement on a generator")
  func generator() throws {
    for type in try supportedTypes() {
      try expectOneDigest(
        Scenario(
          elementType: type,
          workload: ZipfWorkload(
            exponent: 1.1, expertCount: 10, topK: 3, layerCount: 4, seed: 5)))
    }
  }

  @Test("is the same for every replica choice, in one chunk and in several, on one node and two")
  func replicaChoices() throws {
    let zipf = ZipfWorkload(exponent: 1.1, expertCount: 10, topK: 3, layerCount: 4, seed: 5)
    var digests: Set<UInt64> = []
    for nodes in [1, 2] {
      digests.formUnion(
        try Scenario(
          layers: [1, 2], workload: zipf, nodes: nodes,
          placements: ["contiguous", "eplb+5:global"],
          replicaChoices: ReplicaChoice.allCases,
          schemes: [ExchangeScheme(wire: .f32), ExchangeScheme(wire: .f32, chunks: 3)]
        ).digests())
    }
    try expectOnAllRanks(SharedMPI.world.rank != 0 || digests.count == 1, "digests \(digests)")
    // A router that runs is counted like a table that is looked up.
    let routed = try Scenario(
      layers: [1, 2], nodes: 2, placements: ["contiguous", "eplb+5:global"],
      replicaChoices: ReplicaChoice.allCases
    ).digests()
    try expectOnAllRanks(SharedMPI.world.rank != 0 || routed.count == 1, "digests \(routed)")
  }

  @Test("is the same for every rank count with the live router")
  func router() throws {
    for type in try supportedTypes() {
      let scenario = Scenario(
        elementType: type, placements: ["contiguous", "round-robin", "random:3"])
      let digests = try scenario.digests()
      try expectOnAllRanks(SharedMPI.world.rank != 0 || digests.count == 1, "\(digests)")
    }
  }

  @Test("is the same however tokens are dealt to ranks")
  func assignment() throws {
    let trace = try lawTrace()
    var digests: Set<UInt64> = []
    for assignment in TokenAssignment.allCases {
      digests.formUnion(
        try Scenario(
          model: try tinyModel(), layers: [5, 6], tokens: 300,
          workload: TraceWorkload(trace: trace, tokens: 0..<1000, windowSize: 300),
          assignment: assignment, nodes: 2
        ).digests())
    }
    try expectOnAllRanks(SharedMPI.world.rank != 0 || digests.count == 1, "\(digests)")
  }

  @Test("survives more ranks than tokens and experts without load")
  func emptyRanks() throws {
    let oneExpert = RepeatedRouting(expertCount: 10, topK: 3, experts: [7, 2, 4])
    for tokens in [1, 2, 3] {
      let digests = try Scenario(
        tokens: tokens, workload: oneExpert, placements: ["contiguous", "round-robin", "eplb+3"]
      ).digests()
      try expectOnAllRanks(SharedMPI.world.rank != 0 || digests.count == 1, "\(digests)")
    }
  }

  @Test("changes with the seed, the weights and the format")
  func sensitivity() throws {
    func digest(_ scenario: Scenario) throws -> UInt64 {
      try scenario.run(ranks: 1)?.cases[0][0].digest ?? 0
    }
    let base = try digest(Scenario())
    let others = [
      try digest(Scenario(sharing: .shared)), try digest(Scenario(tokens: 36)),
      try digest(Scenario(layers: [1, 2])),
      try digest(Scenario(schemes: [ExchangeScheme(wire: .bf16)])),
    ]
    try expectOnAllRanks(
      SharedMPI.world.rank != 0 || Set(others + [base]).count == 5, "\(base) \(others)")
  }
}

/// Every token chooses the same experts: ranks without load.
struct RepeatedRouting: RoutingSource {
  let name = "repeated"
  let expertCount: Int
  let topK: Int
  let experts: [Int32]

  func hasLayer(_ layer: Int) -> Bool { true }

  func route(
    layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
  ) {
    for index in decision.expertIndices.indices {
      decision.expertIndices[index] = experts[index % topK]
      decision.routingWeights[index] = 0.25
    }
  }
}
