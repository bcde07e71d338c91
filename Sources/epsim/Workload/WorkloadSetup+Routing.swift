// SPDX-License-Identifier: Apache-2.0
// epsim: what the tokens of a workload do, and the load that placements are fitted to.

internal import MoE
internal import Workloads

extension WorkloadSetup {
  /// The routing of steps of T tokens, dropless; nil for the live router.
  ///
  /// - Parameter topK: K; nil for the model's.
  /// - Throws: ``InputError`` where the workload has not so many choices, or does not fit the model.
  func source(topK: Int? = nil, tokensPerStep: Int) throws -> (any RoutingSource)? {
    if let topK { try requireTopK(topK) }
    guard let trace else {
      return try spec?.generator(
        expertCount: model.expertCount, topK: topK ?? model.topK, layerCount: model.layerCount,
        seed: options.seed, tokensPerStep: tokensPerStep, load: generatorLoad)
    }
    let window = TraceWorkload(trace: trace, tokens: judgedTokens, windowSize: tokensPerStep)
    guard let topK, topK != trace.topK else { return window }
    return TopKPrefixSource(window, topK: topK, renormalises: model.router.chosenWeightsAddUp)
  }

  /// K of a case: its own, or that of its router or model.
  func topK(of spec: CaseSpec) -> Int {
    spec.topK ?? router?.topK(model: model.topK) ?? model.topK
  }

  /// The routing of a case, with its own K and without what its experts drop; nil for the live
  /// router.
  ///
  /// - Throws: ``InputError`` where the workload cannot be routed or limited so.
  func source(of spec: CaseSpec, tokensPerStep: Int) throws -> (any RoutingSource)? {
    guard let source = try source(topK: spec.topK, tokensPerStep: tokensPerStep) else { return nil }
    if let rate = spec.biasUpdate {
      throw InputError(
        "--bias-update \(rate) has no router to act on, choices come from \(source.name); accepted "
          + "with --workload router")
    }
    guard let rule = spec.capacityRule else { return source }
    return try CapacityLimitedSource(
      source, rule: rule, windowSize: tokensPerStep, seed: options.seed)
  }

  private func requireTopK(_ topK: Int) throws {
    guard topK <= model.expertCount else {
      throw InputError(
        "--top-k \(topK), accepted are 1 to \(model.expertCount), the experts of \(model.name)")
    }
    if let trace, topK > trace.topK {
      throw InputError(
        "--top-k \(topK), accepted are 1 to \(trace.topK), the choices that \(trace.name) holds")
    }
  }

  /// The rank of each position of a step. Shape: [T].
  ///
  /// - Parameter tokenCount: T, at most the tokens of a window; nil for all of them.
  func rankOfPosition(
    step: Int, tokenCount: Int? = nil, tokensPerStep: Int, rankCount: Int
  ) throws -> [Int32] {
    let trace = trace.map {
      TraceWorkload(trace: $0, tokens: judgedTokens, windowSize: tokensPerStep)
    }
    return try options.assignment.ranks(
      tokenCount: tokenCount ?? tokensPerStep, rankCount: rankCount,
      sequenceOf: trace.map { trace in { trace.sequence(step: step, position: $0) } })
  }
}
