// SPDX-License-Identifier: Apache-2.0
// epsim: the routings that the cases of a run choose from.

internal import ExpertParallel
internal import MoE
internal import Workloads

/// The distinct routings of the cases: cases that differ elsewhere share one.
struct CaseRoutings {
  private(set) var routings: [CaseRouting] = []
  /// [cases] index of each case's routing.
  private(set) var indexOfCase: [Int] = []

  /// - Throws: ``InputError`` where a case cannot be routed as it asks.
  init(_ cases: [CaseSpec], setup: WorkloadSetup, tokensPerStep: Int, rankCount: Int) throws {
    var indexOfKey: [Key: Int] = [:]
    for spec in cases {
      let key = Key(
        topK: spec.topK, capacity: spec.capacityRule, biasUpdate: spec.biasUpdate)
      if indexOfKey[key] == nil {
        indexOfKey[key] = routings.count
        routings.append(try Self.routing(of: spec, setup, tokensPerStep, rankCount))
      }
      indexOfCase.append(indexOfKey[key]!)
    }
  }

  private struct Key: Hashable {
    let topK: Int?
    let capacity: CapacityRule?
    let biasUpdate: Double?
  }

  private static func routing(
    of spec: CaseSpec, _ setup: WorkloadSetup, _ tokensPerStep: Int, _ rankCount: Int
  ) throws -> CaseRouting {
    if let source = try setup.source(of: spec, tokensPerStep: tokensPerStep) {
      return .workload(source)
    }
    let live = try LiveRouting(
      setup.router!, model: setup.model, layers: setup.layers, topK: spec.topK,
      capacity: spec.capacityRule,
      biasUpdateRate: spec.biasUpdate, seed: setup.options.seed, tokensPerStep: tokensPerStep,
      rankCount: rankCount)
    if let topK = spec.topK, topK != live.topK {
      throw InputError("--top-k \(topK) with \(setup.router!), which chooses \(live.topK)")
    }
    return .router(live)
  }
}
