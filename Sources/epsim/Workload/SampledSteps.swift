// SPDX-License-Identifier: Apache-2.0
// epsim: steps of a workload that placements are fitted to or judged on.

internal import CostModel
internal import MoE
internal import Placement
internal import Workloads

/// Some steps of a workload, dealt to ranks.
struct SampledSteps {
  let source: any RoutingSource
  let steps: Range<Int>
  let layers: [Int]
  let rankCount: Int
  let tokensPerStep: Int
  /// The rank of each position of a step.
  let rankOfPosition: (_ step: Int) throws -> [Int32]

  /// Assignments of each step.
  var loads: [LoadHistogram] {
    steps.map { step in
      LoadHistogram(
        source: source, layers: layers, steps: step..<step + 1, windowSize: tokensPerStep)
    }
  }

  /// What a placement fitted to these steps sees.
  ///
  /// - Parameter needsTokens: whether it looks at tokens, not at the load alone.
  func fitted(windows: Int, needsTokens: Bool) throws -> FittedTokens {
    FittedTokens(
      load: LoadHistogram(layers: layers, sum: loads),
      evidence: needsTokens
        ? try RoutingEvidence(
          source: source, layers: layers, steps: steps, windowCount: windows,
          rankCount: rankCount, rankOfPosition: rankOfPosition) : nil)
  }

  /// [steps][layers] the tokens.
  func bundles() throws -> [[RoutingBundles]] {
    try steps.map { step in
      try layers.map { layer in
        try RoutingBundles(
          source: source, layer: layer, steps: step..<step + 1, rankCount: rankCount,
          rankOfPosition: rankOfPosition)
      }
    }
  }

  /// Counts every step under a placement.
  func count(
    _ placement: ExpertPlacement, topology: Topology, choice: ReplicaChoice,
    add: (TrafficCounters) -> Void
  ) throws {
    let traffic = WorkloadTraffic(
      source: source, placement: placement, topology: topology, choice: choice)
    for step in steps {
      add(traffic.counters(step: step, rankOfPosition: try rankOfPosition(step)))
    }
  }

  /// The same steps cut into windows, each of at least one.
  func windows(atMost count: Int) -> [SampledSteps] {
    let count = min(count, steps.count)
    return (0..<count).map { window in
      SampledSteps(
        source: source,
        steps: steps.lowerBound + window * steps.count / count..<steps.lowerBound + (window + 1)
          * steps.count / count,
        layers: layers, rankCount: rankCount, tokensPerStep: tokensPerStep,
        rankOfPosition: rankOfPosition)
    }
  }
}

extension WorkloadSetup {
  /// Which tokens are meant.
  enum TokenPart {
    case fitted, judged
    /// All of a trace; as many steps of a generator as are told.
    case all(steps: Int)
  }

  /// Steps of the fitted, the judged or all tokens; nil where nothing is known of them: of a live
  /// router, and of what a load file stands for.
  func sampled(
    _ part: TokenPart, tokensPerStep: Int, rankCount: Int
  ) throws -> SampledSteps? {
    guard let trace else {
      guard let source = try source(tokensPerStep: tokensPerStep) else { return nil }
      let steps: Range<Int>
      switch (part, fit) {
      case (.judged, _), (.fitted, .tokens(.all)): steps = 0..<1
      case (.fitted, .tokens(.firstHalf)): steps = Self.unjudgedSteps..<Self.unjudgedSteps + 1
      case (.fitted, .file): return nil
      case (.all(let count), _): steps = 0..<count
      }
      return SampledSteps(
        source: source, steps: steps, layers: layers, rankCount: rankCount,
        tokensPerStep: tokensPerStep
      ) { _ in try options.assignment.ranks(tokenCount: tokensPerStep, rankCount: rankCount) }
    }
    let tokens: Range<Int>
    switch part {
    case .judged: tokens = judgedTokens
    case .all: tokens = 0..<trace.tokenCount
    case .fitted:
      guard case .tokens(let range) = fit else { return nil }
      tokens = try range.split(tokenCount: trace.tokenCount).fitted
    }
    let size = min(tokensPerStep, tokens.count)
    let source = TraceWorkload(trace: trace, tokens: tokens, windowSize: size)
    return SampledSteps(
      source: source, steps: 0..<tokens.count / size, layers: layers, rankCount: rankCount,
      tokensPerStep: size
    ) { step in
      try options.assignment.ranks(tokenCount: size, rankCount: rankCount) {
        source.sequence(step: step, position: $0)
      }
    }
  }
}
