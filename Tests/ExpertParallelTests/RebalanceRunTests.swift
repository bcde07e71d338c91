// SPDX-License-Identifier: Apache-2.0
// epsim: tests that experts really move, and that what has moved is what computes.

import CostModel
import ExpertParallel
import Kernels
import MPI
import MoE
import Placement
import TestSupport
import Testing
import Workloads

@Suite("Rebalance", .serialized) @MainActor
struct RebalanceRunTests {
  private func scenario(_ from: String, _ to: String) -> Scenario {
    Scenario(
      workload: ZipfWorkload(exponent: 1.1, expertCount: 10, topK: 3, layerCount: 4, seed: 5),
      nodes: 2, placements: [from, to])
  }

  private func run(_ scenario: Scenario) throws -> RebalanceRun.Outcome? {
    let world = SharedMPI.world
    return try RebalanceRun(scenario.configuration(ranks: world.size)).run(
      on: world, context: sharedKernels.get())
  }

  @Test("leaves the output as it was, whatever moves")
  func digest() throws {
    let reference = try scenario("contiguous", "lpt").digests()
    for type in try supportedTypes() where type == .f32 {
      for (from, to) in [
        ("contiguous", "round-robin"), ("random:3", "eplb+7"), ("eplb+7", "contiguous"),
        ("eplb+12", "random:9"),
      ] {
        let outcome = try run(scenario(from, to))
        let digests = Set(outcome?.result.cases.map { $0[0].digest } ?? [])
        try expectOnAllRanks(
          SharedMPI.world.rank != 0 || digests == reference, "\(from) to \(to): \(digests)")
      }
    }
  }

  @Test("moves as many experts and bytes as the plan says")
  func bytes() throws {
    for compute in [ExpertCompute.real, .none] {
      var scenario = scenario("contiguous", "eplb+7")
      scenario.compute = compute
      let outcome = try run(scenario)
      let world = SharedMPI.world
      let configuration = try scenario.configuration(ranks: world.size)
      guard let migration = outcome?.migration else { continue }
      #expect(migration.layers.map(\.layer) == configuration.layers)
      for layer in migration.layers {
        let plan = ExpertTransfers(
          from: configuration.cases[0].placement, to: configuration.cases[1].placement,
          layer: layer.layer, topology: configuration.topology)
        let nodes = configuration.topology.nodeOfRank
        let offNode = plan.transfers.count { nodes[$0.source] != nodes[$0.destination] }
        #expect(layer.movedExperts == plan.transfers.count && layer.recreatedExperts == 0)
        #expect(layer.bytes % max(1, layer.movedExperts) == 0)
        // At least its numbers; packing may pad.
        let expert = layer.bytes / max(1, layer.movedExperts)
        #expect(layer.movedExperts == 0 || expert >= smallModel.expertParameterCount * 4)
        #expect(layer.offNodeBytes == offNode * expert)
        #expect(layer.time > 0)
      }
      #expect((migration.movedExperts > 0) == (world.size > 1))
    }
  }

  @Test("agrees with the reference layer afterwards")
  func reference() throws {
    var scenario = scenario("round-robin", "eplb+5")
    scenario.checksReference = true
    let outcome = try run(scenario)
    let errors = outcome?.result.cases.compactMap { $0[0].referenceError } ?? []
    try expectOnAllRanks(
      SharedMPI.world.rank != 0 || errors.count == 2 && errors.allSatisfy { $0 < 1e-5 },
      "\(errors)")
  }
}
