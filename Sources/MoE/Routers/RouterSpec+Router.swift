// SPDX-License-Identifier: Apache-2.0
// epsim: from a router as written to the router of a layer.

extension RouterSpec {
  /// K of the router for a model that chooses `topK` experts.
  public func topK(model topK: Int) -> Int { kind == .switchTop1 ? 1 : topK }

  /// The router of one layer.
  ///
  /// - Parameters:
  ///   - rule: the model's rule.
  ///   - topK: K of the model.
  ///   - layer: in the model's numbering; draws and hashes are keyed by it.
  ///   - moeLayerRow: how many layers with experts come before it in the model.
  ///   - tokensPerStep: T of a step over all ranks, which `balanced` balances.
  ///   - rankCount: ranks that `balanced` must not leave idle even where they do not divide E (see
  ///     ``BalancedChoice``); nil for the same choice on any number of ranks.
  /// - Throws: ``InputError`` where the rule does not fit the numbers.
  public func router(
    model rule: RouterRule, expertCount: Int, topK: Int, layer: Int, moeLayerRow: Int,
    seed: UInt64, tokensPerStep: Int, rankCount: Int? = nil
  ) throws -> any Router {
    func base(_ rule: RouterRule) throws -> TopKRouter {
      try TopKRouter(rule: rule, expertCount: expertCount, topK: topK)
    }
    let own = try base(rule)
    switch kind {
    case .model:
      guard moeLayerRow < rule.hashLayerCount else { return own }
      return HashRouter(
        expertCount: expertCount, topK: topK, weighting: .scores(own), layer: layer, seed: seed)
    case .score(let score, let scope):
      var changed = rule
      (changed.score, changed.scope) = (score, scope)
      return try base(changed)
    case .switchTop1:
      return try TopKRouter(rule: .switchTop1, expertCount: expertCount, topK: 1)
    case .noisy(let deviation):
      return NoisyTopKRouter(
        own, noise: GaussianNoise(standardDeviation: deviation, layer: layer, seed: seed))
    case .jitter(let epsilon):
      return JitterRouter(own, noise: UniformJitter(epsilon: epsilon, layer: layer, seed: seed))
    case .expertChoice(let factor):
      return try ExpertChoiceRouter(expertCount: expertCount, topK: topK, factor: factor)
    case .sinkhorn:
      return SinkhornRouter(model: own)
    case .hash:
      return HashRouter(
        expertCount: expertCount, topK: topK, weighting: .equal, layer: layer, seed: seed)
    case .grouped(let groups):
      let count = groups.flatMap(Int.init(exactly:))
      guard groups == nil || count != nil else {
        throw InputError("router:grouped:\(groups!), accepted are whole numbers of groups")
      }
      return try GroupedRouter(model: own, groups: count)
    case .balanced:
      let most = BalancedChoice.maximumTokenCount(expertCount: expertCount, topK: topK)
      guard tokensPerStep >= 1 && tokensPerStep <= most else {
        throw InputError(
          "\(tokensPerStep) tokens per step cannot be balanced, accepted are 1 to \(most)")
      }
      let choice = BalancedChoice(
        expertCount: expertCount, topK: topK, tokenCount: tokensPerStep, rankCount: rankCount)
      return BalancedRouter(choice: choice, layer: layer, seed: seed)
    }
  }
}

extension RouterRule {
  /// Top-1 of softmax, weighed by the probability; choose with K = 1.
  ///
  /// Source: Fedus et al., "Switch Transformers", arXiv:2101.03961, eqs. 1-2.
  public static let switchTop1 = RouterRule(score: .softmax, renormalises: false)
}
