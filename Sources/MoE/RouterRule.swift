// SPDX-License-Identifier: Apache-2.0
// epsim: the routing rule of a model, as its configuration states it.

/// How a model's router turns logits into expert choices and routing weights.
public struct RouterRule: Sendable, Equatable, Codable {
  /// The function from logits to scores.
  public enum Score: String, Sendable, Codable, CaseIterable {
    case softmax
    case sigmoid
    /// sqrt(log(1 + exp(logit))), DeepSeek-V4.
    case sqrtSoftplus = "sqrt-softplus"
  }

  /// What the scores are taken over.
  public enum Scope: String, Sendable, Codable, CaseIterable {
    /// All experts, then the K largest are chosen (DeepSeek, Qwen).
    case all
    /// The K largest logits are chosen first, their scores are taken among themselves (gpt-oss).
    case chosen
  }

  /// A token may choose from some groups of consecutive experts only.
  ///
  /// Source: DeepSeek-V2, arXiv:2405.04434, section 2.2.2 (device-limited routing).
  public struct GroupLimit: Sendable, Equatable, Codable {
    /// What the experts of closed groups count as.
    public enum Mask: String, Sendable, Codable, CaseIterable {
      /// Zero, as in Hugging Face transformers: a negative biased score loses against it.
      case zero
      /// Minus infinity, as in Megatron-LM and TensorRT-LLM: closed groups are never chosen.
      case minusInfinity = "minus-infinity"

      var words: String {
        switch self {
        case .zero: "0"
        case .minusInfinity: "minus infinity"
        }
      }
    }

    /// Groups of E / groups consecutive experts each.
    public var groupCount: Int
    /// Groups that a token may choose from.
    public var openCount: Int
    /// A group counts as the sum of so many of its best scores: 1 in DeepSeek-V2, 2 in DeepSeek-V3,
    /// K / ``openCount`` in Megatron-LM.
    public var summedScores: Int
    /// What the experts of closed groups count as.
    public var mask: Mask

    public init(groupCount: Int, openCount: Int, summedScores: Int, mask: Mask = .zero) {
      self.groupCount = groupCount
      self.openCount = openCount
      self.summedScores = summedScores
      self.mask = mask
    }
  }

  /// The function from logits to scores.
  public var score: Score
  /// What the scores are taken over.
  public var scope: Scope
  /// Whether the K chosen scores are divided by their sum.
  public var renormalises: Bool
  /// Factor on the routing weights (`routed_scaling_factor`).
  public var scaling: Double
  /// Groups from which a token may choose; nil where every expert is open.
  public var groups: GroupLimit?
  /// Whether a learnt bias is added to the scores for the selection only.
  public var hasSelectionBias: Bool
  /// Leading layers with experts whose choice is a hash of the token, not of the logits.
  public var hashLayerCount: Int

  /// Whether the weights of the K chosen experts add up to the same for any K.
  public var chosenWeightsAddUp: Bool { renormalises || (scope == .chosen && score == .softmax) }

  public init(
    score: Score, scope: Scope = .all, renormalises: Bool, scaling: Double = 1,
    groups: GroupLimit? = nil, hasSelectionBias: Bool = false, hashLayerCount: Int = 0
  ) {
    self.score = score
    self.scope = scope
    self.renormalises = renormalises
    self.scaling = scaling
    self.groups = groups
    self.hasSelectionBias = hasSelectionBias
    self.hashLayerCount = hashLayerCount
  }
}
