// SPDX-License-Identifier: Apache-2.0
// epsim: placements with and without experts that ranks lend each other for single batches.

public import Placement

/// What balancing single batches does, as `epsim place --per-batch` shows it.
public struct TransientRecord: Encodable {
  /// A placement under one rule.
  public struct Row: Encodable {
    public let placement: String
    /// Null for the placement without lent experts.
    @ExplicitNull public var rule: String?
    public let score: TransientScore
    /// (time without lent experts - time with them) / time without; null without `--cluster`.
    @ExplicitNull public var gain: Double?
    /// Tokens of a batch, over all ranks, from which lending takes no longer; null where that is
    /// never so up to the largest batch that was modelled, where nothing is lent, or without
    /// `--cluster`.
    @ExplicitNull public var paysFromTokens: Double?

    public init(
      placement: String, rule: String?, score: TransientScore, without: TransientScore,
      tokensPerBatch: Int
    ) {
      self.placement = placement
      self.rule = rule
      self.score = score
      guard rule != nil, score.lendingBatches > 0 else { return }
      if let time = score.seconds, let other = without.seconds, other > 0 {
        gain = 1 - time / other
      }
      paysFromTokens = score.scale(fromWhichFasterThan: without).map {
        $0 * Double(tokensPerBatch)
      }
    }
  }

  public let rows: [Row]
  /// Tokens of a step over all ranks; a batch is a layer of a step.
  public let tokensPerBatch: Int
  /// Weights of one expert.
  public let bytesPerExpert: Double
  /// Of which steps and layers; in words.
  public let tokens: String
  /// The name of the cluster profile; null without.
  @ExplicitNull public var cluster: String?
  /// The links that carry weights, in words; null without a cluster.
  @ExplicitNull public var link: String?

  public init(
    _ rows: [Row], tokensPerBatch: Int, bytesPerExpert: Double, tokens: String, cluster: String?,
    link: String?
  ) {
    self.rows = rows
    self.tokensPerBatch = tokensPerBatch
    self.bytesPerExpert = bytesPerExpert
    self.tokens = tokens
    self.cluster = cluster
    self.link = link
  }

  /// A sentence for each placement.
  var verdicts: [String] {
    let names = rows.filter { $0.rule == nil }.map(\.placement)
    return names.compactMap { name in
      let lending = rows.filter { $0.placement == name && $0.score.lendingBatches > 0 }
      guard !lending.isEmpty else { return "\(name): no rule lends anything." }
      guard let best = lending.filter({ $0.gain != nil }).max(by: { $0.gain! < $1.gain! }) else {
        return nil
      }
      let (rule, gain) = (best.rule ?? "", best.gain ?? 0)
      if gain > 0 {
        return "\(name): \(rule) pays, \(Quantity.percent(gain)) less modelled time a batch."
      }
      let sooner = lending.compactMap { row in row.paysFromTokens.map { ($0, row.rule ?? "") } }
        .min { $0.0 < $1.0 }
      let when =
        sooner.map { tokens, rule in
          "; \(rule) does from about \(TransientReport.tokens(tokens)) tokens a batch"
        } ?? ", nor at \(TransientReport.tokens(largestTokens))"
      return "\(name): lending does not pay at \(tokensPerBatch) tokens a batch" + when + "."
    }
  }

  /// Tokens of the largest batch that is modelled.
  var largestTokens: Double {
    Double(tokensPerBatch) * TransientScorer.scales[TransientScorer.scales.count - 1]
  }
}
