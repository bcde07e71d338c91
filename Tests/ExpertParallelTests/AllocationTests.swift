// SPDX-License-Identifier: Apache-2.0
// epsim: no exchange allocates between the first and the last stamp of a steady step.

import CostModel
import ExpertParallel
import Foundation
import Kernels
import MPI
import MoE
import Placement
import TestSupport
import Testing
import Timing
import Workloads

/// Where the rank stands that the counter asks about; nothing else may run meanwhile.
private enum Watch {
  nonisolated(unsafe) static var heartbeat = Heartbeat()
  nonisolated(unsafe) static var warmup = 0
  nonisolated(unsafe) static var lastStamp = 0

  /// Counts what is allocated outside of steady steps.
  static let outside = AllocationCounter.counterLimit - 1

  /// The case whose measured step runs.
  static let place: AllocationCounter.Place = {
    guard case .step(let caseIndex, let step, let stamps) = Watch.heartbeat.position,
      step >= Watch.warmup, stamps < Watch.lastStamp
    else { return Int32(AllocationCounter.counterLimit - 1) }
    return Int32(caseIndex)
  }
}

/// Started again by the launch tests, with the library that counts.
@Suite(
  "Allocations", .serialized,
  .enabled(if: AllocationCounter() != nil, "Tests/Allocations is not preloaded"))
@MainActor struct AllocationTests {
  private typealias Place = AllocationCounter.Place

  /// Every scheme that makes sense, with every wire.
  static let allSchemes =
    ([(.f32, .f32), (.bf16, .f32), (.fp8, .bf16)] as [(WireFormat, ElementType)])
    .flatMap { wire, combineWire in
      [CombineRule.exact, .preReduced].flatMap {
        schemes(combine: $0, wire: wire, combineWire: combineWire)
      }
    }

  @Test("the counter counts arrays and not what happens elsewhere")
  func counts() throws {
    let counter = try #require(AllocationCounter())
    let (third, fifth, nowhere): (Place, Place, Place) = ({ 3 }, { 5 }, { -1 })
    var kept: [[Int]] = []
    kept.reserveCapacity(10)
    counter.during(third) {
      for length in 1...10 { kept.append(Array(repeating: 7, count: length)) }
    }
    #expect(counter.allocations(3) == 10 && counter.allocations(4) == 0)
    counter.during(nowhere) { kept = [Array(0..<kept.count)] }
    #expect(counter.allocations(3) == 0)
    // MPI's own are not epsim's.
    let world = SharedMPI.world
    try counter.during(fifth) { try world.barrier() }
    try expectOnAllRanks(counter.allocations(5) == 0, "\(counter.allocations(5))")
  }

  /// Schemes whose rows travel as they are, for runs that multiply: oneDNN allocates much.
  private static let plainSchemes = allSchemes.filter { $0.wire == .f32 && $0.combineWire == .f32 }

  @Test("no scheme allocates in a steady step, between nodes or in one")
  func exchanges() throws {
    for nodes in [{ Array(repeating: 0, count: $0) }, { Array(0..<$0) }] as [(Int) -> [Int]] {
      try expectNone(
        Scenario(
          layers: [2], tokens: 29, steps: 2, warmup: 1, workload: Self.zipf, nodeOfRank: nodes,
          schemes: Self.allSchemes, compute: .none))
    }
  }

  @Test("real experts, replicas, a live router and its capacity allocate nothing either")
  func computes() throws {
    let scenario = Scenario(
      layers: [2], tokens: 29, steps: 2, warmup: 1, workload: Self.zipf,
      placements: ["eplb+3"], schemes: Self.plainSchemes)
    try expectNone(scenario)
    var live = scenario
    (live.workload, live.placements) = (nil, ["contiguous"])
    try expectNone(live)
    live.capacity = CapacityRule(factor: 1, policy: .probability, scope: .global)
    try expectNone(live)
  }

  @Test("no replica choice allocates, whether it needs counts or not")
  func replicaChoices() throws {
    try expectNone(
      Scenario(
        layers: [1, 2], tokens: 29, steps: 2, warmup: 1, workload: Self.zipf, nodes: 2,
        placements: ["eplb+7"], replicaChoices: ReplicaChoice.allCases,
        schemes: schemes(combine: .exact, wire: .f32, combineWire: .f32).filter {
          $0.dedup == .none
        }, compute: .none))
  }

  private static let zipf = ZipfWorkload(
    exponent: 1.2, expertCount: 10, topK: 3, layerCount: 4, seed: 9)

  private func expectNone(_ scenario: Scenario) throws {
    let counter = try #require(AllocationCounter())
    let configuration = try scenario.configuration(ranks: SharedMPI.world.size)
    Watch.heartbeat = Heartbeat()
    Watch.warmup = configuration.warmupSteps
    Watch.lastStamp = 2 + configuration.layers.count * LayerStamp.allCases.count
    let run = InterleavedRun(configuration, heartbeat: Watch.heartbeat)
    let context = try sharedKernels.get()
    _ = try counter.during(Watch.place) { try run.run(on: SharedMPI.world, context: context) }
    let found = configuration.cases.indices.filter { counter.allocations($0) > 0 }
    if SharedMPI.world.rank == 0 {
      print(
        "allocations: in \(found.count) of \(configuration.cases.count) cases on nodes "
          + "\(configuration.topology.nodeOfRank), \(scenario.compute.name) compute, "
          + "\(scenario.workload?.name ?? "router")")
    }
    // Results are collected between steps: that is seen, so what happens in steps would be.
    #expect(counter.allocations(Watch.outside) > 0)
    // Without the optimiser closures and generic code allocate.
    #if !DEBUG
      try expectOnAllRanks(
        found.isEmpty,
        found.map {
          "\(configuration.cases[$0].name): \(counter.allocations($0)) at "
            + counter.firstCallers($0)
        }.joined(separator: "\n"))
    #endif
  }
}
