// SPDX-License-Identifier: Apache-2.0
// epsim: what placements are fitted to.

internal import CostModel
internal import MoE
internal import Placement
internal import Workloads

/// What fitted placements see.
struct FittedTokens {
  var load: LoadHistogram
  /// The tokens behind the load; nil where no placement looks at them.
  var evidence: RoutingEvidence?
}

extension WorkloadSetup {
  /// Steps of a generator that no run reaches: placements are fitted to them.
  static let unjudgedSteps = 1 << 30

  /// Windows that the fitted tokens are cut into.
  private static let windowCount = 8

  /// What placements of these kinds see of the layers in use.
  ///
  /// - Parameters:
  ///   - placements: those that will be made.
  ///   - judgedSteps: what will be judged, for workloads without an end.
  /// - Throws: ``InputError`` where nothing is known about the load.
  func fitted(
    for placements: [PlacementSpec], judgedSteps: Range<Int>, tokensPerStep: Int,
    rankCount: Int, files: InputFiles
  ) throws -> FittedTokens {
    let fitting = placements.map(\.fitting).max() ?? .none
    guard fitting >= .load else {
      return FittedTokens(load: LoadHistogram(layers: layers, expertCount: model.expertCount))
    }
    var fitted = FittedTokens(
      load: try fittedLoad(judgedSteps: judgedSteps, tokensPerStep: tokensPerStep, files: files))
    if fitting == .tokens, case .tokens(let range) = fit {
      fitted.evidence = try evidence(
        range, judgedSteps: judgedSteps, tokensPerStep: tokensPerStep, rankCount: rankCount)
    }
    return fitted
  }

  /// The load that fitted placements see, for the layers in use.
  private func fittedLoad(
    judgedSteps: Range<Int>, tokensPerStep: Int, files: InputFiles
  ) throws -> LoadHistogram {
    switch fit {
    case .file(let path):
      return try LoadHistogram(
        bytes: files.bytes(path), name: "load file \(path)",
        layerLists: [Array(model.moeLayers), layers], expertCount: model.expertCount
      ).selecting(layers: layers)
    case .tokens(let range):
      if let trace {
        let tokens = try range.split(tokenCount: trace.tokenCount).fitted
        return try LoadHistogram(trace: trace, tokens: tokens).selecting(layers: layers)
      }
      return LoadHistogram(
        source: try generator(tokensPerStep: tokensPerStep), layers: layers,
        steps: Self.generatedSteps(range, judgedSteps: judgedSteps), windowSize: tokensPerStep)
    }
  }

  /// The same tokens one by one, dealt to ranks as those of a step are.
  private func evidence(
    _ range: FitRange, judgedSteps: Range<Int>, tokensPerStep: Int, rankCount: Int
  ) throws -> RoutingEvidence {
    guard let trace else {
      return try RoutingEvidence(
        source: generator(tokensPerStep: tokensPerStep), layers: layers,
        steps: Self.generatedSteps(range, judgedSteps: judgedSteps),
        windowCount: Self.windowCount, rankCount: rankCount
      ) { _ in try options.assignment.ranks(tokenCount: tokensPerStep, rankCount: rankCount) }
    }
    let tokens = try range.split(tokenCount: trace.tokenCount).fitted
    let size = min(tokensPerStep, tokens.count)
    let source = TraceWorkload(trace: trace, tokens: tokens, windowSize: size)
    return try RoutingEvidence(
      source: source, layers: layers, steps: 0..<tokens.count / size,
      windowCount: Self.windowCount, rankCount: rankCount
    ) { step in
      try options.assignment.ranks(tokenCount: size, rankCount: rankCount) {
        source.sequence(step: step, position: $0)
      }
    }
  }

  private func generator(tokensPerStep: Int) throws -> any RoutingSource {
    guard let source = try source(tokensPerStep: tokensPerStep) else {
      throw InputError(
        "placements that are fitted need to know the load, which a live router does not tell "
          + "beforehand; use --workload with a trace or a generator, or --fit with a load file")
    }
    return source
  }

  private static func generatedSteps(_ range: FitRange, judgedSteps: Range<Int>) -> Range<Int> {
    range == .firstHalf ? unjudgedSteps..<unjudgedSteps + judgedSteps.count : judgedSteps
  }
}
