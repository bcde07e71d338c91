// SPDX-License-Identifier: Apache-2.0
// epsim: small runs for the tests of the distributed layer.

import CostModel
import ExpertParallel
import Foundation
import Kernels
import MPI
import MoE
import Placement
import TestSupport
import Testing
import Workloads

/// A small model: sizes that are no multiples of any vector width.
let smallModel = ModelShape(
  name: "small", source: "test", hiddenSize: 40, expertFFNSize: 24, expertCount: 10, topK: 3,
  sharedExpertCount: 1, layerCount: 4, denseLayerCount: 1, denseFFNSize: 8, vocabularySize: 0,
  attention: [], expertGroupCount: 1, router: RouterRule(score: .softmax, renormalises: true))

/// The kernels, started once: their self-test takes a moment.
@MainActor let sharedKernels = Result { try KernelContext() }

/// A run to be varied by a test.
struct Scenario {
  var model = smallModel
  var layers = [1, 2, 3]
  var elementType = ElementType.f32
  var sharing = ModelWeights.Sharing.perLayer
  var tokens = 37
  var steps = 2
  var warmup = 1
  var workload: (any RoutingSource)?
  var router = "router"
  var capacity: CapacityRule?
  var biasUpdateRate: Double?
  var balance: BalanceRequest?
  var assignment = TokenAssignment.block
  var nodes = 1
  /// Node of each rank for a number of ranks; nil for blocks.
  var nodeOfRank: ((Int) -> [Int])?
  var placements = ["contiguous"]
  var replicaChoices: [ReplicaChoice] = [.expertRoundRobin]
  var schemes: [ExchangeScheme]?
  var checksReference = false
  var memoryLimit: Int?
  var compute = ExpertCompute.real
  var timing = RunCase.Timing.clocks
  var disturbance = Disturbance.none

  func configuration(ranks: Int) throws -> RunConfiguration {
    let topology =
      nodeOfRank.map { Topology(nodeOfRank: $0(ranks)) }
      ?? Topology(ranks: ranks, nodes: min(nodes, ranks))
    let load =
      workload.map {
        LoadHistogram(source: $0, layers: layers, steps: 100..<101, windowSize: 512)
      } ?? LoadHistogram(layers: layers, expertCount: model.expertCount)
    var cases: [RunCase] = []
    for text in placements {
      let placement = try PlacementSpec(parsing: text).place(
        load: load, topology: topology, groups: 1, modelLayers: Array(model.moeLayers))
      for choice in replicaChoices {
        for scheme in schemes ?? [ExchangeScheme(wire: WireFormat(elementType))] {
          cases.append(
            RunCase(
              name: "\(text) \(choice) \(scheme)", placement: placement, replicaChoice: choice,
              exchange: scheme, compute: compute, timing: timing,
              disturbance: disturbance))
        }
      }
    }
    return RunConfiguration(
      model: model, layers: layers, elementType: elementType, weightSharing: sharing, seed: 11,
      tokenCount: tokens,
      rankOfPosition: try (0..<steps + warmup).map { step in
        try assignment.ranks(
          tokenCount: tokens, rankCount: ranks,
          sequenceOf: (workload as? TraceWorkload).map { trace in
            { trace.sequence(step: step, position: $0) }
          })
      },
      warmupSteps: warmup, measuredSteps: steps,
      routings: try routings(ranks: ranks),
      cases: cases, topology: topology,
      checksReference: checksReference, balance: balance, memoryLimit: memoryLimit)
  }

  private func routings(ranks: Int) throws -> [CaseRouting] {
    guard let workload else {
      return [
        .router(
          try LiveRouting(
            RouterSpec(parsing: router), model: model, layers: layers, capacity: capacity,
            biasUpdateRate: biasUpdateRate, seed: 11, tokensPerStep: tokens, rankCount: ranks))
      ]
    }
    guard let capacity else { return [.workload(workload)] }
    return [
      .workload(
        try CapacityLimitedSource(workload, rule: capacity, windowSize: tokens, seed: 11))
    ]
  }

  /// Runs on the first `ranks` ranks of the launch. Collective over all of them.
  /// - Returns: the result on rank 0; nil on the others.
  @MainActor
  func run(ranks: Int) throws -> RunResult? {
    let world = SharedMPI.world
    let isMember = world.rank < ranks
    guard let comm = try world.split(color: isMember ? 0 : nil, key: world.rank) else { return nil }
    return try InterleavedRun(configuration(ranks: ranks)).run(
      on: comm, context: sharedKernels.get())
  }

  /// The digests of all cases on 1, 2, ... ranks of the launch; empty away from rank 0.
  @MainActor
  func digests() throws -> Set<UInt64> {
    var digests: Set<UInt64> = []
    for ranks in 1...SharedMPI.world.size {
      for entry in try run(ranks: ranks)?.cases ?? [] { digests.formUnion(entry.map(\.digest)) }
    }
    return digests
  }
}

/// The law trace that comes with the examples.
func lawTrace() throws -> RoutingTrace {
  let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  return try RoutingTrace(
    contentsOfFile: root.appending(
      path: "examples/traces/deepseek-v2-lite-law.safetensors"
    ).path)
}

/// The shape of `models/tiny.yaml`.
func tinyModel() throws -> ModelShape {
  let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  let text = try String(
    contentsOf: root.appending(path: "models/tiny.yaml"), encoding: .utf8)
  return try ModelFile(yaml: text, place: "tiny").model
}

/// The element types that this process can compute with.
@MainActor
func supportedTypes() throws -> [ElementType] {
  try sharedKernels.get().environment.supportsBF16 ? [.f32, .bf16] : [.f32]
}
