// SPDX-License-Identifier: Apache-2.0
// epsim: reads a model's config.json as Hugging Face publishes it.

/// A model read from its `config.json`, with a list of what was read where.
///
/// Every name under which a field is known is tried, also in `text_config` and `llm_config`. Two
/// names with different values, or values that cannot go together, are an error. Where the file says
/// nothing and the code of the model's family decides, the default is listed as one.
public struct HuggingFaceConfig: Sendable {
  /// A field and what it was used for.
  public struct UsedField: Sendable, Equatable, Codable {
    public let meaning: String
    /// Its path in the file, or `default of MODEL_TYPE`.
    public let field: String
    public let value: String
  }

  /// The model that the file describes.
  public let model: ModelShape
  /// What was read, in the order of reading.
  public let usedFields: [UsedField]
  /// Fields that were not used and are not known to be beside the point.
  public let ignoredFields: [String]
  /// What `model_type` says, `no model_type` where it is missing.
  public let modelType: String
  /// Whether what the code of that family does where a file says nothing is known.
  public let isKnownType: Bool

  /// What no field stated, in the order of reading.
  public var assumedMeanings: [String] {
    usedFields.filter { $0.field == ConfigFields.defaultName(modelType) }.map(\.meaning)
  }

  /// Reads the text of a config.json.
  /// - Parameters:
  ///   - name: what the model is called.
  ///   - place: what an error message calls the file.
  /// - Throws: ``InputError`` that names the field, its value and what is accepted.
  public init(json text: String, name: String, place: String) throws {
    let fields = try ConfigFields(JSONValue.parse(text, place: place), place: place)
    let reader = ConfigReader(fields)
    var shape = try reader.shape(name: name)
    shape.source = "\(place), model_type \(fields.modelType)"
    model = try shape.checked(place: place)
    usedFields = fields.used
    ignoredFields = fields.ignored
    modelType = fields.modelType
    isKnownType = ModelFamily.isKnown(fields.modelType)
  }
}

/// Puts a shape together from fields; split by topic in `ConfigReader+*.swift`.
struct ConfigReader {
  let fields: ConfigFields
  let family: ModelFamily

  init(_ fields: ConfigFields) {
    self.fields = fields
    family = ModelFamily.of(fields.modelType)
  }

  func shape(name: String) throws -> ModelShape {
    let hidden = try fields.need("hidden size", "hidden_size", "d_model")
    let stack = try layerStack()
    let experts =
      try fields.integer(
        "routed experts", "n_routed_experts", "num_local_experts", "num_experts",
        "moe_num_experts", "ffn_config.moe_num_experts") ?? 0
    if experts == 0, fields.has("num_experts_per_tok", "num_experts_per_token", "moe_top_k") {
      throw InputError(
        "\(fields.place) states experts per token but no number of experts, looked for "
          + "n_routed_experts, num_local_experts, num_experts, moe_num_experts")
    }
    let moe = experts > 0 ? try moeLayers(stack) : []
    let dense = stack.ffnLayers - moe.count
    let width = try widths(hasExperts: experts > 0, denseLayers: dense)
    let shared = experts > 0 ? try sharedExperts(expertWidth: width.expert) : (0, 0)
    let topK = experts > 0 ? try expertsPerToken(of: experts) : 0
    let rule = experts > 0 ? try router(experts: experts, moeLayers: moe.count) : Self.noRouter
    let latent = try fields.integer(
      "width of rows at the experts", "moe_latent_size", "routed_expert_hidden_size")
    return ModelShape(
      name: name, source: "", hiddenSize: hidden, expertFFNSize: width.expert,
      expertCount: experts, topK: topK, sharedExpertCount: shared.0, sharedFFNSize: shared.1,
      layerCount: stack.count, moeLayers: moe, denseLayerCount: dense,
      denseFFNSize: dense > 0 ? width.dense : 0,
      vocabularySize: try fields.need("vocabulary", "vocab_size"),
      tiesEmbeddings: try tiesEmbeddings(),
      attention: try attention(hidden: hidden, stack: stack),
      expertGroupCount: rule.groups?.groupCount ?? 1, router: rule, activation: try activation(),
      expertInputSize: latent)
  }

  private static let noRouter = RouterRule(score: .softmax, renormalises: false)

  private func tiesEmbeddings() throws -> Bool {
    if let tied = try fields.boolean("output head is the embedding", "tie_word_embeddings") {
      return tied
    }
    fields.assume("output head is the embedding", "\(family.tiesEmbeddings)")
    return family.tiesEmbeddings
  }

  private func expertsPerToken(of experts: Int) throws -> Int {
    if fields.modelType.hasPrefix("switch"), !fields.has("num_selected_experts") {
      fields.assume("experts per token", "1")
      return 1
    }
    let topK = try fields.need(
      "experts per token", "num_experts_per_tok", "num_experts_per_token", "top_k_experts",
      "experts_per_token", "moe_top_k", "moe_k", "num_selected_experts", "ffn_config.moe_top_k")
    guard topK <= experts else {
      throw InputError(
        "\(fields.place): \(topK) experts per token of \(experts) experts, accepted are at most as "
          + "many as there are")
    }
    return topK
  }

  /// Inner widths of an expert and of a dense FFN.
  private func widths(hasExperts: Bool, denseLayers: Int) throws -> (expert: Int, dense: Int) {
    let own = try fields.integer("expert FFN width", "moe_intermediate_size")
    guard hasExperts else {
      return (0, try fields.need("dense FFN width", "intermediate_size", "d_ff"))
    }
    if let own {
      // Where no layer is dense, the width of dense layers means nothing.
      let dense = denseLayers > 0
      return (own, dense ? try fields.need("dense FFN width", "intermediate_size") : 0)
    }
    let expert = try fields.need(
      "expert FFN width", "intermediate_size", "ffn_config.ffn_hidden_size", "d_ff")
    let dense = try fields.integer(
      "dense FFN width", "intermediate_size_mlp", "dense_intermediate_size")
    return (expert, dense ?? expert)
  }

  /// Shared experts: how many, and their width together.
  private func sharedExperts(expertWidth: Int) throws -> (Int, Int) {
    let count = try fields.integer("shared experts", "n_shared_experts", "num_shared_experts")
    let width = try fields.integer(
      "width of shared experts", "shared_expert_intermediate_size", "shared_intermediate_size",
      "moe_shared_expert_intermediate_size", "share_expert_dim", "share_expert_dims")
    if let width, width == 0 || count == 0 { return (0, 0) }
    if let width { return (count ?? 1, width) }
    if let count { return (count, count * expertWidth) }
    if fields.modelType.hasPrefix("llama4") {
      fields.assume("shared experts", "1")
      return (1, expertWidth)
    }
    if fields.modelType.hasPrefix("gemma4") {
      return (1, try fields.need("width of the dense FFN beside the experts", "intermediate_size"))
    }
    return (0, 0)
  }

  private func activation() throws -> ExpertActivation {
    guard
      let name = try fields.word(
        "activation", "hidden_act", "hidden_activation", "mlp_hidden_act", "feed_forward_proj",
        "ffn_config.ffn_act_fn.name")
    else {
      fields.assume("activation", "swiglu")
      return .swiGLU
    }
    switch name {
    // Bounded forms of SwiGLU have the same matrices.
    case "silu", "swish", "swiglu", "swigluoai", "situ": return .swiGLU
    case "gelu", "gelu_pytorch_tanh", "gelu_new", "gated-gelu": return .geGLU
    case "relu2": return .squaredReLU
    case "relu": return .reLU
    default:
      throw InputError(
        "\(fields.place): \(fields.lastField) is \(name), accepted is silu, "
          + "swiglu, swigluoai, situ, gelu, gelu_pytorch_tanh, gated-gelu, relu, relu2")
    }
  }
}
