// SPDX-License-Identifier: Apache-2.0
// epsim: the attention, or what stands in its place, of some layers of a model.

/// Layers that mix their tokens in the same way; a hybrid model has several blocks.
///
/// A run does not simulate attention: parameter counts, FLOPs and cache sizes need it.
public struct AttentionBlock: Sendable, Equatable, Codable {
  /// What mixes the tokens.
  public enum Kind: Sendable, Equatable, Codable {
    /// Multi-head (`heads == keyValueHeads`) or grouped-query attention.
    case grouped(
      heads: Int, keyValueHeads: Int, headSize: Int, details: GroupedDetails = GroupedDetails())
    /// Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1).
    /// `queryRank` is nil where queries are projected directly.
    case latent(
      heads: Int, queryRank: Int?, keyValueRank: Int, ropeSize: Int, nopeSize: Int, valueSize: Int,
      details: LatentDetails = LatentDetails())
    /// Attention of a decoder to the output of an encoder (T5, Switch).
    case cross(heads: Int, keyValueHeads: Int, headSize: Int)
    /// One key and value vector for all heads, compressed over `ratio` tokens, beside a window of
    /// uncompressed ones; output projected in groups (DeepSeek-V4). `ratio` 0 is the window alone.
    /// `indexHeads` is 0 where all compressed tokens are looked at.
    case compressed(
      heads: Int, headSize: Int, queryRank: Int, outputGroups: Int, outputRank: Int, ratio: Int,
      indexHeads: Int, indexSize: Int)
    /// Gated delta rule (arXiv:2412.06464) as Qwen3-Next has it: a state per value head.
    case gatedDelta(
      keyHeads: Int, valueHeads: Int, keySize: Int, valueSize: Int, convolution: Int)
    /// Delta attention of Kimi (arXiv:2510.26692): a decay per channel, all heads alike.
    case kimiDelta(heads: Int, headSize: Int, convolution: Int)
    /// Selective state space (Mamba, arXiv:2312.00752) with the norms of Jamba.
    case mamba(innerSize: Int, stateSize: Int, stepRank: Int, convolution: Int)
    /// Mamba-2 (arXiv:2405.21060): heads that share state projections in groups.
    case mamba2(heads: Int, headSize: Int, groups: Int, stateSize: Int, convolution: Int)
  }

  /// What grouped-query attention may have besides its four projections.
  public struct GroupedDetails: Sendable, Equatable, Codable {
    /// Which projections add a bias.
    public enum Biases: String, Sendable, Codable, CaseIterable {
      case none
      /// Queries, keys and values (Qwen1.5, Qwen2).
      case inputs
      /// The output as well (gpt-oss).
      case all
    }
    /// What queries and keys are normalised over.
    public enum Norm: String, Sendable, Codable, CaseIterable {
      case none
      /// Each head alone, one gain vector for all heads (Qwen3, GLM-4.5).
      case head
      /// All heads together (OLMoE, MiniMax-M2).
      case all
    }
    /// Values of a head's value vector where they differ from those of its key vector.
    public var valueSize: Int?
    public var biases: Biases
    public var norm: Norm
    /// Whether queries come with a gate of the same width on the output (Qwen3-Next).
    public var hasOutputGate: Bool
    /// Whether keys serve as values, without a projection of their own (Gemma-4).
    public var sharesKeysAndValues: Bool

    public init(
      valueSize: Int? = nil, biases: Biases = .none, norm: Norm = .none,
      hasOutputGate: Bool = false, sharesKeysAndValues: Bool = false
    ) {
      self.valueSize = valueSize
      self.biases = biases
      self.norm = norm
      self.hasOutputGate = hasOutputGate
      self.sharesKeysAndValues = sharesKeysAndValues
    }
  }

  /// What latent attention may have besides its projections.
  public struct LatentDetails: Sendable, Equatable, Codable {
    /// Heads of the indexer that picks the tokens to attend to (DeepSeek-V3.2); 0 for none.
    public var indexHeads: Int
    /// Values of an index key, which is cached too.
    public var indexSize: Int
    /// Whether the output is gated at full width (Kimi-K3).
    public var hasOutputGate: Bool

    public init(indexHeads: Int = 0, indexSize: Int = 0, hasOutputGate: Bool = false) {
      self.indexHeads = indexHeads
      self.indexSize = indexSize
      self.hasOutputGate = hasOutputGate
    }
  }

  /// How many layers of the model have it.
  public var layers: Int
  public var kind: Kind
  /// The last tokens that a layer looks at; nil where it looks at all.
  public var window: Int?

  public init(layers: Int, kind: Kind, window: Int? = nil) {
    self.layers = layers
    self.kind = kind
    self.window = window
  }
}
