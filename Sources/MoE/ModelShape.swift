// SPDX-License-Identifier: Apache-2.0
// epsim: the sizes of a Mixture-of-Experts transformer.

/// The sizes and rules of a transformer with or without experts, as far as epsim needs them.
///
/// Layers are numbered as the model numbers them: `0 ..< layerCount`, an encoder's before its
/// decoder's. Those in ``moeLayers`` have experts; of the others ``denseLayerCount`` have a dense
/// FFN, the rest (of hybrids) only mix tokens. A dense model has no experts and no ``moeLayers``.
public struct ModelShape: Sendable, Equatable, Codable {
  /// Name of the preset, for example `deepseek-v2-lite`.
  public var name: String
  /// Where the numbers come from.
  public var source: String
  /// H, the width of a token row.
  public var hiddenSize: Int
  /// F, the inner width of one expert.
  public var expertFFNSize: Int
  /// E, the routed (logical) experts of a layer; 0 in a dense model.
  public var expertCount: Int
  /// K, the experts that each token chooses.
  public var topK: Int
  /// Experts that every token visits, as the model counts them; for display.
  public var sharedExpertCount: Int
  /// Inner width of all shared experts together; they are computed as one FFN on the token's own
  /// rank. 0 where there are none.
  public var sharedFFNSize: Int
  /// All layers.
  public var layerCount: Int
  /// Layers with experts, in the model's numbering, ascending.
  public var moeLayers: [Int]
  /// Layers with a dense FFN.
  public var denseLayerCount: Int
  /// Inner width of the dense layers' FFN.
  public var denseFFNSize: Int
  /// Rows of the embedding table and columns of the output head; 0 where there are none.
  public var vocabularySize: Int
  /// Whether the output head is the embedding table.
  public var tiesEmbeddings: Bool
  /// What mixes tokens, block by block; empty where the model is only a stack of FFNs.
  public var attention: [AttentionBlock]
  /// Groups of consecutive experts (device or node groups of the router); 1 where there are none.
  public var expertGroupCount: Int
  /// How logits become choices and weights.
  public var router: RouterRule
  /// What stands between the matrices of experts, shared experts and dense FFNs.
  public var activation: ExpertActivation
  /// Width of the rows that experts read and write: H, or less where a layer projects its rows to
  /// a latent width before they travel (Nemotron-3).
  public var expertInputSize: Int
  /// Parameters that no other field covers, as a published count needs them; 0 for none.
  public var otherParameterCount: Int

  /// Weights of one expert: 3 H F with a gate (SwiGLU), 2 H F without, H being its input width.
  public var expertParameterCount: Int {
    activation.matrixCount * expertInputSize * expertFFNSize
  }
  /// Weights of a layer's shared experts together.
  public var sharedParameterCount: Int { activation.matrixCount * hiddenSize * sharedFFNSize }
  /// Weights of one dense FFN.
  public var denseParameterCount: Int { activation.matrixCount * hiddenSize * denseFFNSize }

  /// A model; what is left out is as simple as can be.
  ///
  /// Without `moeLayers` all layers after the dense ones have experts. Without `sharedFFNSize`
  /// shared experts are as wide as routed ones.
  public init(
    name: String, source: String, hiddenSize: Int, expertFFNSize: Int, expertCount: Int, topK: Int,
    sharedExpertCount: Int = 0, sharedFFNSize: Int? = nil, layerCount: Int,
    moeLayers: [Int]? = nil, denseLayerCount: Int = 0, denseFFNSize: Int = 0,
    vocabularySize: Int = 0, tiesEmbeddings: Bool = false, attention: [AttentionBlock] = [],
    expertGroupCount: Int = 1, router: RouterRule, activation: ExpertActivation = .swiGLU,
    expertInputSize: Int? = nil, otherParameterCount: Int = 0
  ) {
    self.name = name
    self.source = source
    self.hiddenSize = hiddenSize
    self.expertFFNSize = expertFFNSize
    self.expertCount = expertCount
    self.topK = topK
    self.sharedExpertCount = sharedExpertCount
    self.sharedFFNSize = sharedFFNSize ?? sharedExpertCount * expertFFNSize
    self.layerCount = layerCount
    self.moeLayers = moeLayers ?? Array(denseLayerCount..<layerCount)
    self.denseLayerCount = denseLayerCount
    self.denseFFNSize = denseFFNSize
    self.vocabularySize = vocabularySize
    self.tiesEmbeddings = tiesEmbeddings
    self.attention = attention
    self.expertGroupCount = expertGroupCount
    self.router = router
    self.activation = activation
    self.expertInputSize = expertInputSize ?? hiddenSize
    self.otherParameterCount = otherParameterCount
  }
}
