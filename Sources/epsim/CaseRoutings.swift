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
  init(_ cases: [CaseSpec], setup: WorkloadSetup, tokensPerStep: Int) throws {
    var indexOfKey: [Key: Int] = [:]
    for spec in cases {
      let key = Key(topK: spec.topK ?? setup.model.topK, capacity: spec.capacityRule)
      if indexOfKey[key] == nil {
        indexOfKey[key] = routings.count
        routings.append(try Self.routing(of: spec, key, setup, tokensPerStep))
      }
      indexOfCase.append(indexOfKey[key]!)
    }
  }

  private struct Key: Hashable {
    let topK: Int
    let capacity: CapacityRule?
  }

  private static func routing(
    of spec: CaseSpec, _ key: Key, _ setup: WorkloadSetup, _ tokensPerStep: Int
  ) throws -> CaseRouting {
    if let source = try setup.source(of: spec, tokensPerStep: tokensPerStep) {
      return .workload(source)
    }
    _ = try SoftmaxTopKRouter(model: setup.model)
    return .router(LiveRouting(topK: key.topK, capacity: key.capacity))
  }
}
