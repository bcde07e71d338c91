// SPDX-License-Identifier: Apache-2.0
// epsim: how many assignments an expert takes, and which are dropped beyond that.

/// A limit on the assignments of every expert in a batch, and what happens to those above it.
///
/// Source: GShard, arXiv:2006.16668, section 2.2; Switch Transformer, arXiv:2101.03961, equation 3.
public struct CapacityRule: Sendable, Hashable {
  /// Which assignments an expert above its capacity keeps.
  public enum DropPolicy: String, Sendable, Codable, CaseIterable {
    /// Those of the first tokens of the batch (Megatron-LM `position`).
    case position
    /// Those with the largest routing weights (Megatron-LM `probs`).
    case probability
    /// A random choice, the same in every run of a seed (DeepSpeed `use_rts`).
    case random
    /// Those of the first tokens; the others go to their token's next-best expert with room, in the
    /// order of the batch, and are dropped where none has.
    case reroute
  }

  /// The batch whose assignments are counted.
  public enum Scope: String, Sendable, Codable, CaseIterable {
    /// The tokens of each rank on their own, as training frameworks do it: what is dropped depends
    /// on how tokens are dealt to ranks.
    case rank
    /// All tokens of the step: the same for every number of ranks.
    case global
  }

  /// The largest factor that is accepted.
  public static let maximumFactor = 1024.0

  /// Capacity over the mean load of an expert; 1 is room for a perfectly balanced batch.
  public var factor: Double
  /// Which assignments are kept.
  public var policy: DropPolicy
  /// The batch whose assignments are counted.
  public var scope: Scope

  /// - Precondition: the factor is above 0 and at most ``maximumFactor``.
  public init(factor: Double, policy: DropPolicy = .position, scope: Scope = .rank) {
    precondition(factor > 0 && factor <= Self.maximumFactor, "capacity factor \(factor)")
    self.factor = factor
    self.policy = policy
    self.scope = scope
  }

  /// C, the assignments that each expert takes from a batch: ceil(T K factor / E).
  ///
  /// Megatron-LM and DeepSpeed round like this; Tutel takes K floor(factor ceil(T / E)).
  public func capacity(tokens: Int, topK: Int, expertCount: Int) -> Int {
    // A factor such as 1.1 is a little above 11/10 in binary: without the slack 10.0...02 would
    // be rounded up to 11.
    let exact = Double(tokens * topK) * factor / Double(expertCount)
    return Int((exact * (1 - 1e-12)).rounded(.up))
  }
}
