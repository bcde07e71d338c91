// SPDX-License-Identifier: Apache-2.0
// epsim: how many parameters a model has, and how many of them a token uses.

/// Parameters of a model line by line, in all and per token.
///
/// Counted: embedding table, attention projections with their norms, routers with their bias,
/// routed and shared experts, dense FFNs, layer norms, output head. A token *uses* (active) every
/// line but the embedding, which it only looks up, and K of the E routed experts.
/// Not counted: biases of projections, multi-token-prediction heads.
public struct ParameterCount: Sendable, Equatable {
  /// One line of the count.
  public struct Line: Sendable, Equatable, Codable {
    public let name: String
    /// Parameters held.
    public let total: Int
    /// Parameters that one token multiplies with.
    public let active: Int
  }

  public let lines: [Line]

  private static let embedding = "embedding"

  /// All parameters.
  public var total: Int { lines.reduce(0) { $0 + $1.total } }
  /// Parameters that one token multiplies with: output head counted, embedding look-up not.
  public var active: Int { lines.reduce(0) { $0 + $1.active } }
  /// The same with the embedding table, as some publications count (Mixtral's 12.9B).
  public var activeWithEmbedding: Int {
    active + (lines.first { $0.name == Self.embedding }?.total ?? 0)
  }
  /// Floating-point operations of one token's forward pass, two per active parameter.
  ///
  /// Attention scores depend on the context length and are not included.
  public var forwardFLOPsPerToken: Int { 2 * active }

  public init(_ model: ModelShape) {
    let hidden = model.hiddenSize
    let moeLayers = model.moeLayers.count
    var lines: [Line] = []
    func add(_ name: String, _ total: Int, active: Int? = nil) {
      if total > 0 { lines.append(Line(name: name, total: total, active: active ?? total)) }
    }
    add(Self.embedding, model.vocabularySize * hidden, active: 0)
    add("attention", model.layerCount * Self.attentionParameters(model))
    add("layer norms", model.attention == .none ? 0 : (2 * model.layerCount + 1) * hidden)
    add("dense FFN", model.denseLayerCount * 3 * hidden * model.denseFFNSize)
    let bias = model.router.hasSelectionBias ? model.expertCount : 0
    add("router", moeLayers * (hidden * model.expertCount + bias))
    add(
      "routed experts", moeLayers * model.expertCount * model.expertParameterCount,
      active: moeLayers * model.topK * model.expertParameterCount)
    add("shared experts", moeLayers * model.sharedExpertCount * model.expertParameterCount)
    add("output head", model.vocabularySize * hidden)
    self.lines = lines
  }

  /// Parameters of one layer's attention, its own norms included.
  private static func attentionParameters(_ model: ModelShape) -> Int {
    let hidden = model.hiddenSize
    switch model.attention {
    case .none:
      return 0
    case .grouped(let heads, let keyValueHeads, let headSize):
      // Query and output projections, then keys and values.
      return 2 * hidden * heads * headSize + 2 * hidden * keyValueHeads * headSize
    case .latent(let heads, let queryRank, let keyValueRank, let rope, let nope, let value):
      // arXiv:2405.04434, section 2.1: down- and up-projections with a norm on each latent vector.
      let queryWidth = heads * (nope + rope)
      let query = queryRank.map { hidden * $0 + $0 + $0 * queryWidth } ?? hidden * queryWidth
      let keyValue =
        hidden * (keyValueRank + rope) + keyValueRank + keyValueRank * heads * (nope + value)
      return query + keyValue + heads * value * hidden
    }
  }
}
