// SPDX-License-Identifier: Apache-2.0
// epsim: what a capacity offers and what it is expected to drop, before anything runs.

internal import MoE
internal import Reporting
internal import Workloads

/// The slots that a capacity offers, and a forecast from the tokens that placements are fitted to.
struct CapacityFigures {
  let setup: WorkloadSetup
  let tokensPerStep: Int
  let steps: Range<Int>
  let rankCount: Int

  /// The figures of a case; nil where it is dropless.
  func figures(of spec: CaseSpec) throws -> CapacityUse.Offer? {
    guard let rule = spec.capacityRule else { return nil }
    let topK = setup.topK(of: spec)
    let experts = setup.model.expertCount
    var slots = 0
    var batches: [Int: Int] = [:]
    for step in steps {
      for tokens in try batchSizes(rule.scope, step: step) where tokens > 0 {
        slots += experts * rule.capacity(tokens: tokens, topK: topK, expertCount: experts)
        batches[tokens, default: 0] += 1
      }
    }
    return CapacityUse.Offer(
      slotsPerStep: Double(slots * setup.layers.count) / Double(steps.count),
      forecastDroppedShare: try forecast(rule, topK: topK, spec: spec, batches: batches))
  }

  /// Tokens of each batch that a rule counts in.
  private func batchSizes(_ scope: CapacityRule.Scope, step: Int) throws -> [Int] {
    guard scope == .rank else { return [tokensPerStep] }
    var sizes = Array(repeating: 0, count: rankCount)
    for rank in try setup.rankOfPosition(
      step: step, tokensPerStep: tokensPerStep, rankCount: rankCount)
    { sizes[Int(rank)] += 1 }
    return sizes
  }

  /// Mean over layers and batches, weighted by their tokens; nil where nothing is known beforehand
  /// (live router) or drops do not follow from loads alone (rerouting).
  private func forecast(
    _ rule: CapacityRule, topK: Int, spec: CaseSpec, batches: [Int: Int]
  ) throws -> Double? {
    guard rule.policy != .reroute, let load = try setup.unlimitedLoad(of: spec, tokensPerStep)
    else { return nil }
    var dropped = 0.0
    var weight = 0.0
    for (tokens, count) in batches {
      for row in load.layers.indices {
        let forecast = DropForecast(
          loads: load.row(row), tokens: tokens, topK: topK, rule: rule)
        dropped += forecast.droppedShare * Double(tokens * count)
        weight += Double(tokens * count)
      }
    }
    return dropped / weight
  }
}

extension WorkloadSetup {
  /// The load of a case's routing without its capacity, on the tokens that placements are fitted
  /// to, or on generated tokens that no run judges; nil for the live router.
  fileprivate func unlimitedLoad(of spec: CaseSpec, _ tokensPerStep: Int) throws -> LoadHistogram? {
    var dropless = spec
    dropless.capacity = nil
    guard let trace else {
      guard let source = try source(of: dropless, tokensPerStep: tokensPerStep) else { return nil }
      // Chance in a short sample looks like skew, and skew is forecast as drops.
      let count = max(8, 16_384 / tokensPerStep)
      let steps = Self.unjudgedSteps..<Self.unjudgedSteps + count
      return LoadHistogram(
        source: source, layers: layers, steps: steps, windowSize: tokensPerStep)
    }
    let fitted =
      if case .tokens(let range) = fit {
        try range.split(tokenCount: trace.tokenCount).fitted
      } else { judgedTokens }
    let window = TraceWorkload(trace: trace, tokens: fitted, windowSize: fitted.count)
    let source: any RoutingSource =
      spec.topK.map { TopKPrefixSource(window, topK: $0, renormalises: false) } ?? window
    return LoadHistogram(
      source: source, layers: layers, steps: 0..<1, windowSize: fitted.count)
  }
}
