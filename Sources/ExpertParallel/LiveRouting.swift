// SPDX-License-Identifier: Apache-2.0
// epsim: how a router routes while the run goes.

public import MoE

/// The router of a case: which rule, how many experts per token, what they take.
public struct LiveRouting: Sendable {
  /// What the experts take at most; nil for all that is sent.
  public let capacity: CapacityRule?
  /// What a step's load moves the selection bias by; nil where the bias stays as it is.
  public let biasUpdateRate: Double?
  /// K, experts per token.
  public let topK: Int
  /// Choices per token that a decision has room for.
  public let choiceWidth: Int

  private let make: @Sendable (_ layer: Int) throws -> any Router
  /// The routers of the layers in use, for what they need.
  private let rules: [any Router]

  /// - Parameters:
  ///   - layers: the layers in use, in the model's numbering.
  ///   - topK: K; nil for the model's.
  ///   - tokensPerStep: T over all ranks.
  /// - Throws: ``InputError`` where the rule does not fit the model or its other options.
  public init(
    _ spec: RouterSpec, model: ModelShape, layers: [Int], topK: Int? = nil,
    capacity: CapacityRule? = nil,
    biasUpdateRate: Double? = nil, seed: UInt64, tokensPerStep: Int, rankCount: Int
  ) throws {
    // Where ranks divide the experts, one forced balance serves every number of ranks; else it
    // depends on R, which is the price of leaving no rank idle.
    let ranksToServe = model.expertCount % rankCount == 0 ? nil : rankCount
    let make: @Sendable (Int) throws -> any Router = { layer in
      try spec.router(
        model: model.router, expertCount: model.expertCount, topK: topK ?? model.topK,
        layer: layer, moeLayerRow: model.moeLayers.firstIndex(of: layer) ?? 0, seed: seed,
        tokensPerStep: tokensPerStep, rankCount: ranksToServe)
    }
    self.make = make
    let rules = try layers.map(make)
    // A model may have some layers that choose by hash.
    let ranksExperts = rules.contains(where: \.ranksAllExperts)
    self.rules = rules
    if let capacity {
      if case .expertChoice = spec.kind {
        throw InputError(
          "--capacity \(capacity.factor) with \(spec), whose experts take what they have room for; "
            + "accepted is none, or router:expert-choice:FACTOR")
      }
      if capacity.policy == .reroute, !ranksExperts {
        throw InputError(
          "drop policy reroute with \(spec), which does not rank the experts of a token; accepted "
            + "are position, probability, random")
      }
    }
    if let biasUpdateRate, !ranksExperts {
      throw InputError(
        "--bias-update \(biasUpdateRate) with \(spec), which does not rank the experts of a token")
    }
    self.capacity = capacity
    self.biasUpdateRate = biasUpdateRate
    self.topK = rules.first?.topK ?? model.topK
    choiceWidth = rules.map(\.choiceWidth).max() ?? model.topK
  }

  /// The rule of a layer, in the model's numbering.
  func router(layer: Int) throws -> any Router { try make(layer) }

  /// The most rows that so many tokens send.
  func rowLimit(tokenCount: Int) -> Int {
    rules.map { $0.assignmentLimit(tokenCount: tokenCount) }.max() ?? 0
  }

  /// Numbers of working memory that the rules need for so many tokens.
  func scratchCount(tokenCount: Int) -> Int {
    rules.map { $0.scratchCount(tokenCount: tokenCount) }.max() ?? 0
  }
}
