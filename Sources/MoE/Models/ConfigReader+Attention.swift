// SPDX-License-Identifier: Apache-2.0
// epsim: the attention of a config.json.

extension ConfigReader {
  /// The blocks: states first, then windows, then layers that look at all tokens.
  func attention(hidden: Int, stack: LayerStack) throws -> [AttentionBlock] {
    let count = stack.count
    if let ratios = try fields.integers("compression of each layer", "compress_ratios") {
      return try compressed(ratios, layers: count)
    }
    if !stack.kinds.isEmpty {
      let mamba = stack.kinds.count { $0 == .mamba }
      let attention = stack.kinds.count { $0 == .attention }
      return blocks([
        (mamba, mamba > 0 ? try mamba2() : nil, nil),
        (attention, attention > 0 ? try full(hidden) : nil, nil),
      ])
    }
    if stack.encoderCount > 0 { return try encoderDecoder(hidden, stack) }
    if let states = try stateLayers(count) {
      return blocks([
        (states, states > 0 ? try stateKind(hidden) : nil, nil),
        (count - states, states < count ? try full(hidden) : nil, nil),
      ])
    }
    let (window, windowed) = try windowedLayers(count)
    return blocks([
      (windowed, windowed > 0 ? try sliding(hidden) : nil, window),
      (count - windowed, windowed < count ? try full(hidden) : nil, nil),
    ])
  }

  private func blocks(_ parts: [(Int, AttentionBlock.Kind?, Int?)]) -> [AttentionBlock] {
    parts.compactMap { layers, kind, window in
      kind.flatMap { layers > 0 ? AttentionBlock(layers: layers, kind: $0, window: window) : nil }
    }
  }

  /// Attention to all tokens.
  private func full(_ hidden: Int) throws -> AttentionBlock.Kind {
    let heads = try fields.need("attention heads", "num_attention_heads", "n_heads", "num_heads")
    if let rank = try fields.integer("rank of keys and values", "kv_lora_rank") {
      let indexHeads = try fields.integer("heads of the indexer", "index_n_heads")
      let indexSize = try fields.integer("size of an index key", "index_head_dim")
      if indexHeads == nil, let indexer = family.indexer {
        fields.assume("indexer", "\(indexer.heads) heads of \(indexer.size)")
      }
      let details = AttentionBlock.LatentDetails(
        indexHeads: indexHeads ?? family.indexer?.heads ?? 0,
        indexSize: indexSize ?? family.indexer?.size ?? 0,
        hasOutputGate: try fields.boolean("gate on attention", "mla_use_output_gate") ?? false)
      return .latent(
        heads: heads, queryRank: try fields.integer("rank of queries", "q_lora_rank"),
        keyValueRank: rank, ropeSize: try fields.need("rotary part of a head", "qk_rope_head_dim"),
        nopeSize: try fields.need("other part of a head", "qk_nope_head_dim"),
        valueSize: try fields.need("values of a head", "v_head_dim"), details: details)
    }
    let size =
      try fields.integer("size of a head of full layers", "global_head_dim")
      ?? headSize(hidden, heads: heads)
    let keyValueHeads =
      try fields.integer("key and value heads of full layers", "num_global_key_value_heads")
      ?? keyValueHeads(heads)
    var details = try details(headSize: size)
    details.sharesKeysAndValues =
      try fields.boolean("keys serve as values", "attention_k_eq_v") ?? false
    return .grouped(
      heads: heads, keyValueHeads: keyValueHeads, headSize: size, details: details)
  }

  /// Attention to a window; `swa_` fields where it has sizes of its own (MiMo).
  private func sliding(_ hidden: Int) throws -> AttentionBlock.Kind {
    let heads =
      try fields.integer("heads of windowed layers", "swa_num_attention_heads")
      ?? fields.need("attention heads", "num_attention_heads", "n_heads")
    let size =
      try fields.integer("size of a head of windowed layers", "swa_head_dim")
      ?? headSize(hidden, heads: heads)
    let keyValueHeads =
      try fields.integer("key and value heads of windowed layers", "swa_num_key_value_heads")
      ?? keyValueHeads(heads)
    return .grouped(
      heads: heads, keyValueHeads: keyValueHeads, headSize: size,
      details: try details(headSize: size))
  }

  private func headSize(_ hidden: Int, heads: Int) throws -> Int {
    if let size = try fields.integer("size of a head", "head_dim", "d_kv") { return size }
    guard heads > 0, hidden % heads == 0 else {
      throw InputError(
        "\(fields.place) has no head_dim, and \(heads) heads do not divide hidden_size \(hidden)")
    }
    return hidden / heads
  }

  private func keyValueHeads(_ heads: Int) throws -> Int {
    try fields.integer("key and value heads", "num_key_value_heads", "attn_config.kv_n_heads")
      ?? heads
  }

  private func details(headSize: Int) throws -> AttentionBlock.GroupedDetails {
    let bias = try fields.boolean("attention has biases", "attention_bias", "qkv_bias")
    if bias == nil, family.attentionBias { fields.assume("attention has biases", "true") }
    let value = try fields.integer("values of a head", "v_head_dim")
    let gate = try fields.boolean(
      "gate on attention", "attn_output_gate", "attention_output_gate")
    if gate == nil, family.hasOutputGate { fields.assume("gate on attention", "true") }
    return AttentionBlock.GroupedDetails(
      valueSize: value == headSize ? nil : value,
      biases: bias ?? family.attentionBias ? family.biases : .none, norm: try norm(),
      hasOutputGate: gate ?? family.hasOutputGate)
  }

  private func norm() throws -> AttentionBlock.GroupedDetails.Norm {
    let isUsed = try fields.boolean("norm of queries and keys", "use_qk_norm")
    // Llama-4's norm has no weights.
    if isUsed == false || fields.modelType.hasPrefix("llama4") { return .none }
    switch try fields.word("norm of queries and keys over", "qk_norm_type") {
    case "per_head": return .head
    case "per_layer": return .all
    case nil:
      if family.norm != .none {
        fields.assume("norm of queries and keys over", family.norm.rawValue)
      }
      return isUsed == true && family.norm == .none ? .head : family.norm
    case let other?:
      throw InputError(
        "\(fields.place): qk_norm_type is \(other), accepted is per_head, per_layer")
    }
  }

  /// The window and the layers that have it.
  private func windowedLayers(_ count: Int) throws -> (window: Int?, layers: Int) {
    if let chunk = try fields.integer("attention chunk", "attention_chunk_size"),
      fields.modelType.hasPrefix("llama4")
    {
      if let flags = try fields.integers("layers with positions", "no_rope_layers") {
        return (chunk, flags.count { $0 != 0 })
      }
      fields.assume("layers that look at all tokens", "every 4th")
      return (chunk, (0..<count).count { ($0 + 1) % 4 != 0 })
    }
    if try fields.boolean("sliding window is used", "use_sliding_window") == false {
      return (nil, 0)
    }
    let window = try fields.integer("sliding window", "sliding_window", "sliding_window_size")
    if let types = try fields.words(
      "attention of each layer", "layer_types",
      accepted: ["attention", "chunked_attention", "full_attention", "sliding_attention"])
    {
      try fields.requireLength(types.count, count, of: "layer_types")
      return (window, types.count { $0 == "sliding_attention" || $0 == "chunked_attention" })
    }
    if let flags = try fields.integers("attention of each layer", "hybrid_layer_pattern") {
      try fields.requireLength(flags.count, count, of: "hybrid_layer_pattern")
      return (window, flags.count { $0 != 0 })
    }
    guard let window else { return (nil, 0) }
    if fields.modelType.hasPrefix("gpt_oss") {
      fields.assume("windowed layers", "every other")
      return (window, (count + 1) / 2)
    }
    let context = try fields.integer("longest context", "max_position_embeddings")
    return window < context ?? .max ? (window, count) : (nil, 0)
  }

  /// A decoder attends to itself and to the encoder.
  private func encoderDecoder(_ hidden: Int, _ stack: LayerStack) throws -> [AttentionBlock] {
    let own = try full(hidden)
    guard case .grouped(let heads, let keyValueHeads, let size, _) = own else { return [] }
    return [
      AttentionBlock(layers: stack.count, kind: own),
      AttentionBlock(
        layers: stack.count - stack.encoderCount,
        kind: .cross(heads: heads, keyValueHeads: keyValueHeads, headSize: size)),
    ]
  }
}
