// SPDX-License-Identifier: Apache-2.0
// epsim: how many parameters a model has, and how many of them a token uses.

/// Parameters of a model line by line, in all and per token.
///
/// Counted: embedding table, attention projections with their norms and stated biases, state layers
/// of hybrids, routers with their selection bias, routed and shared experts, dense FFNs, layer norms,
/// output head. A token *uses* (active) every line but the embedding, which it only looks up, and K
/// of the E routed experts. An output head that is the embedding table is counted once, as active.
/// Not counted: biases of experts, multi-token-prediction heads, vision encoders.
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
    let table = model.vocabularySize * hidden
    if model.tiesEmbeddings {
      // One table: looked up at the start, multiplied with at the end.
      add("embedding and head", table)
    } else {
      add(Self.embedding, table, active: 0)
    }
    let mixing = model.attention.filter { !$0.isState }
    add("attention", Self.parameters(of: mixing, hidden: hidden))
    add("state layers", Self.parameters(of: model.attention.filter(\.isState), hidden: hidden))
    let normed = model.attention.reduce(0) { $0 + $1.layers } + moeLayers + model.denseLayerCount
    add("layer norms", model.attention.isEmpty ? 0 : (normed + 1) * hidden)
    add("dense FFN", model.denseLayerCount * model.denseParameterCount)
    let bias = model.router.hasSelectionBias ? model.expertCount : 0
    add("router", moeLayers * (hidden * model.expertCount + bias))
    if model.expertInputSize != hidden {
      add("latent projections", moeLayers * 2 * hidden * model.expertInputSize)
    }
    add(
      "routed experts", moeLayers * model.expertCount * model.expertParameterCount,
      active: moeLayers * model.topK * model.expertParameterCount)
    add("shared experts", moeLayers * model.sharedParameterCount)
    if !model.tiesEmbeddings { add("output head", table) }
    add("other", model.otherParameterCount)
    self.lines = lines
  }

  private static func parameters(of blocks: [AttentionBlock], hidden: Int) -> Int {
    blocks.reduce(0) { $0 + $1.layers * $1.parameterCount(hidden: hidden) }
  }
}
