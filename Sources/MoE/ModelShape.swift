// SPDX-License-Identifier: Apache-2.0
// epsim: the sizes of a Mixture-of-Experts transformer.

/// The sizes and rules of a Mixture-of-Experts transformer, as far as epsim needs them.
///
/// Layers are numbered as the model numbers them: `0 ..< layerCount`, of which the first
/// ``denseLayerCount`` have a dense FFN and no experts.
public struct ModelShape: Sendable, Equatable, Codable {
  /// How a token's keys, values and queries are projected; only parameter counts need it.
  public enum Attention: Sendable, Equatable, Codable {
    /// Multi-head (`heads == keyValueHeads`) or grouped-query attention.
    case grouped(heads: Int, keyValueHeads: Int, headSize: Int)
    /// Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1).
    /// `queryRank` is nil where queries are projected directly.
    case latent(
      heads: Int, queryRank: Int?, keyValueRank: Int, ropeSize: Int, nopeSize: Int, valueSize: Int)
    /// No attention: the model is only a stack of MoE layers.
    case none
  }

  /// Name of the preset, for example `deepseek-v2-lite`.
  public var name: String
  /// Where the numbers come from.
  public var source: String
  /// H, the width of a token row.
  public var hiddenSize: Int
  /// F, the inner width of one expert.
  public var expertFFNSize: Int
  /// E, the routed (logical) experts of a layer.
  public var expertCount: Int
  /// K, the experts that each token chooses.
  public var topK: Int
  /// Experts that every token visits; they run on the token's own rank.
  public var sharedExpertCount: Int
  /// All layers, dense ones included.
  public var layerCount: Int
  /// Leading layers with a dense FFN.
  public var denseLayerCount: Int
  /// Inner width of the dense layers' FFN.
  public var denseFFNSize: Int
  /// Rows of the embedding table and columns of the output head; 0 where there are none.
  public var vocabularySize: Int
  /// The attention block.
  public var attention: Attention
  /// Groups of consecutive experts (device or node groups of the router); 1 where there are none.
  public var expertGroupCount: Int
  /// How logits become choices and weights.
  public var router: RouterRule

  /// Layers with experts, in the model's numbering.
  public var moeLayers: Range<Int> { denseLayerCount..<layerCount }
  /// Inner width of all shared experts together; they are computed as one FFN.
  public var sharedFFNSize: Int { sharedExpertCount * expertFFNSize }
  /// Weights of one expert: gate, up and down matrices (SwiGLU), 3 H F.
  public var expertParameterCount: Int { 3 * hiddenSize * expertFFNSize }

  public init(
    name: String, source: String, hiddenSize: Int, expertFFNSize: Int, expertCount: Int, topK: Int,
    sharedExpertCount: Int, layerCount: Int, denseLayerCount: Int, denseFFNSize: Int,
    vocabularySize: Int, attention: Attention, expertGroupCount: Int, router: RouterRule
  ) {
    self.name = name
    self.source = source
    self.hiddenSize = hiddenSize
    self.expertFFNSize = expertFFNSize
    self.expertCount = expertCount
    self.topK = topK
    self.sharedExpertCount = sharedExpertCount
    self.layerCount = layerCount
    self.denseLayerCount = denseLayerCount
    self.denseFFNSize = denseFFNSize
    self.vocabularySize = vocabularySize
    self.attention = attention
    self.expertGroupCount = expertGroupCount
    self.router = router
  }
}
