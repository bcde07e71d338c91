// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the distributed layer against the reference layer and the counters.

import CostModel
import ExpertParallel
import Kernels
import MPI
import MoE
import Placement
import TestSupport
import Testing
import Timing
import Workloads

@Suite("Distributed layer", .serialized) @MainActor
struct DistributedLayerTests {
  private let zipf = ZipfWorkload(
    exponent: 1, expertCount: 10, topK: 3, layerCount: 4, seed: 9)

  @Test("agrees with the reference layer: 1e-5 in f32, 2e-2 in bf16")
  func reference() throws {
    let bounds: [ElementType: Double] = [.f32: 1e-5, .bf16: 2e-2]
    for type in try supportedTypes() {
      for workload in [zipf, nil] as [ZipfWorkload?] {
        let result = try Scenario(
          elementType: type, workload: workload,
          placements: workload == nil ? ["contiguous"] : ["contiguous", "eplb+6"],
          checksReference: true
        ).run(ranks: SharedMPI.world.size)
        for entry in result?.cases.flatMap({ $0 }) ?? [] {
          #expect(entry.referenceError! < bounds[type]!, "\(entry.name) \(type)")
          #expect(entry.referenceError! > 0)
          #expect(entry.referenceTokens == 37)
        }
      }
    }
    try expectOnAllRanks(true)
  }

  @Test(
    "agrees with the reference layer whatever the activation and the width of shared experts",
    arguments: [ExpertActivation.geGLU, .reLU, .squaredReLU])
  func activations(activation: ExpertActivation) throws {
    var model = smallModel
    model.activation = activation
    model.sharedFFNSize = 17
    let result = try Scenario(
      model: model, workload: zipf, placements: ["eplb+6"], checksReference: true
    ).run(ranks: SharedMPI.world.size)
    if let entry = result?.cases[0][0] {
      #expect(entry.referenceError! < 1e-5 && entry.referenceError! > 0)
    }
    try expectOnAllRanks(true)
  }

  @Test("dropped assignments contribute nothing")
  func dropped() throws {
    let result = try Scenario(
      workload: DroppingRouting(inner: zipf), placements: ["eplb+4"], checksReference: true
    ).run(ranks: SharedMPI.world.size)
    if let entry = result?.cases[0][0] {
      #expect(entry.referenceError! < 1e-5)
      #expect(entry.traffic[0].total.droppedAssignments > 0)
    }
    try expectOnAllRanks(true)
  }

  @Test("counters of a run equal those computed from the workload alone")
  func counters() throws {
    let ranks = SharedMPI.world.size
    let scenario = Scenario(
      workload: zipf, nodes: 2, placements: ["contiguous", "round-robin", "eplb+6"],
      replicaChoices: ReplicaChoice.allCases)
    let configuration = try scenario.configuration(ranks: ranks)
    guard let result = try scenario.run(ranks: ranks) else { return }
    for (runCase, measured) in zip(configuration.cases, result.cases) {
      let computed = WorkloadTraffic(
        source: zipf, placement: runCase.placement, topology: configuration.topology,
        choice: runCase.replicaChoice)
      for step in 0..<scenario.steps {
        let expected = computed.counters(
          step: step + scenario.warmup,
          rankOfPosition: configuration.rankOfPosition[step + scenario.warmup])
        #expect(measured[0].traffic[step].values == expected.values, "\(runCase.name)")
        // What MPI delivered is counted apart from the plan.
        for row in expected.placement.layers.indices {
          #expect(
            measured[0].receivedRows[step].map { $0[row] } == expected.layer(row).receivedPerRank)
        }
      }
    }
  }

  @Test("every rank records every phase of every measured step")
  func stamps() throws {
    let ranks = SharedMPI.world.size
    guard let result = try Scenario(steps: 3, workload: zipf).run(ranks: ranks) else { return }
    let timeline = result.cases[0][0].timeline
    #expect(timeline.rankCount == ranks && timeline.stepCount == 3)
    #expect(result.isComplete && result.clocks.causality.violations == 0)
    let checks = TimelineChecks(timeline)
    #expect(checks.backwardStamps == 0 && checks.causalityViolations == 0)
    #expect(checks.causalityChecks == 3 * 3 * ranks * (ranks - 1))
    for step in 0..<3 {
      #expect(timeline.stepTimes()[step] > 0)
      for rank in 0..<ranks { #expect(timeline.otherTime(rank: rank, step: step) >= 0) }
      for exchange in Phase.Exchange.allCases {
        let times = timeline.times(of: exchange, step: step)
        #expect(times.allSatisfy { min($0.wait, $0.transfer, $0.selfCopy) >= 0 })
      }
    }
  }

  @Test("cases that do not fit together run in blocks and give the same output")
  func blocks() throws {
    let ranks = SharedMPI.world.size
    var scenario = Scenario(workload: zipf, placements: ["contiguous", "round-robin", "random:4"])
    let whole = try scenario.run(ranks: ranks)
    // All ten experts in three layers, f32, take 3 * 40 * 24 * 4 bytes each; find a limit that
    // forces blocks by lowering it until the run refuses.
    var limit = 4_000_000
    var blockCounts: Set<Int> = []
    var refusals: [String] = []
    while refusals.isEmpty && limit > 1000 {
      scenario.memoryLimit = limit
      do {
        let result = try scenario.run(ranks: ranks)
        if let result, let whole {
          blockCounts.insert(result.blockCount)
          #expect(
            Set(result.cases.flatMap { $0 }.map(\.digest))
              == Set(whole.cases.flatMap { $0 }.map(\.digest)))
          // Every later case shares its block with the first case.
          let baseBlocks = Set(result.cases[0].map(\.block))
          #expect(
            result.cases.dropFirst().allSatisfy {
              $0.count == 1 && baseBlocks.contains($0[0].block)
            })
        }
      } catch let error as InputError {
        refusals.append(error.description)
      }
      limit = limit * 97 / 100
    }
    try expectOnAllRanks(refusals.count == 1 && refusals[0].contains("needs"), "\(refusals)")
    if SharedMPI.world.rank == 0 && ranks > 1 {
      #expect(blockCounts.contains { $0 > 1 }, "\(blockCounts)")
    }
  }
}

/// Drops every third assignment, and all of every fifth token.
struct DroppingRouting: RoutingSource {
  let inner: ZipfWorkload

  var name: String { "dropping" }
  var expertCount: Int { inner.expertCount }
  var topK: Int { inner.topK }

  func hasLayer(_ layer: Int) -> Bool { inner.hasLayer(layer) }

  func route(
    layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
  ) {
    inner.route(layer: layer, step: step, positions: positions, into: &decision)
    for token in 0..<decision.tokenCount {
      for k in 0..<topK where (token * topK + k) % 3 == 0 || token % 5 == 0 {
        decision.expertIndices[token * topK + k] = RoutingDecision.dropped
      }
    }
  }
}
