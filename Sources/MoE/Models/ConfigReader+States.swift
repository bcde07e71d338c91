// SPDX-License-Identifier: Apache-2.0
// epsim: what stands in the place of attention in a config.json.

extension ConfigReader {
  /// How many layers have a state instead of attention; nil where no field speaks of any.
  func stateLayers(_ count: Int) throws -> Int? {
    if let layers = try fields.integers("delta layers", "linear_attn_config.kda_layers") {
      if let full = try fields.integers("full layers", "linear_attn_config.full_attn_layers") {
        try fields.requireLength(
          layers.count + full.count, count, of: "kda_layers with full_attn_layers")
      }
      return layers.count
    }
    if let period = try fields.integer("every n-th layer has attention", "attn_layer_period") {
      let offset = try fields.integer("first layer with attention", "attn_layer_offset") ?? 0
      return (0..<count).count { period == 0 || $0 < offset || ($0 - offset) % period != 0 }
    }
    guard fields.has("linear_num_value_heads") else { return nil }
    if let types = try fields.words(
      "attention of each layer", "layer_types", accepted: ["full_attention", "linear_attention"])
    {
      try fields.requireLength(types.count, count, of: "layer_types")
      return types.count { $0 == "linear_attention" }
    }
    let interval = try fields.need("every n-th layer has attention", "full_attention_interval")
    return (0..<count).count { ($0 + 1) % interval != 0 }
  }

  /// The state of those layers.
  func stateKind(_ hidden: Int) throws -> AttentionBlock.Kind {
    if fields.has("linear_attn_config.kda_layers") {
      return .kimiDelta(
        heads: try fields.need("delta heads", "linear_attn_config.num_heads"),
        headSize: try fields.need("size of a delta head", "linear_attn_config.head_dim"),
        convolution: try fields.need("convolution", "linear_attn_config.short_conv_kernel_size"))
    }
    if fields.has("linear_num_value_heads") {
      return .gatedDelta(
        keyHeads: try fields.need("delta key heads", "linear_num_key_heads"),
        valueHeads: try fields.need("delta value heads", "linear_num_value_heads"),
        keySize: try fields.need("size of a delta key", "linear_key_head_dim"),
        valueSize: try fields.need("size of a delta value", "linear_value_head_dim"),
        convolution: try fields.need("convolution", "linear_conv_kernel_dim"))
    }
    let expansion = try fields.need("Mamba expansion", "mamba_expand")
    return .mamba(
      innerSize: hidden * min(expansion, 1024),
      stateSize: try fields.need("Mamba state", "mamba_d_state"),
      stepRank: try fields.need("Mamba step rank", "mamba_dt_rank"),
      convolution: try fields.need("convolution", "mamba_d_conv"))
  }

  func mamba2() throws -> AttentionBlock.Kind {
    .mamba2(
      heads: try fields.need("Mamba heads", "mamba_num_heads"),
      headSize: try fields.need("size of a Mamba head", "mamba_head_dim"),
      groups: try fields.need("Mamba groups", "n_groups"),
      stateSize: try fields.need("Mamba state", "ssm_state_size"),
      convolution: try fields.need("convolution", "conv_kernel"))
  }

  /// Compressed attention (DeepSeek-V4): a block for every ratio. Entries after the last layer are
  /// those of multi-token prediction.
  func compressed(_ ratios: [Int], layers: Int) throws -> [AttentionBlock] {
    guard ratios.count >= layers else {
      throw InputError(
        "\(fields.place): compress_ratios has \(ratios.count) entries for \(layers) layers")
    }
    let window = try fields.integer("sliding window", "sliding_window")
    let heads = try fields.need("attention heads", "num_attention_heads")
    let size = try fields.need("size of a head", "head_dim")
    let queryRank = try fields.need("rank of queries", "q_lora_rank")
    let groups = try fields.need("groups of the output", "o_groups")
    let rank = try fields.need("rank of the output", "o_lora_rank")
    let indexHeads = try fields.integer("heads of the indexer", "index_n_heads") ?? 0
    let indexSize = try fields.integer("size of an index key", "index_head_dim") ?? 0
    let used = ratios.prefix(layers)
    return Set(used).sorted().map { ratio in
      // Only lightly compressed tokens are many enough to be picked from.
      let isIndexed = ratio > 0 && ratio <= 4
      return AttentionBlock(
        layers: used.count { $0 == ratio },
        kind: .compressed(
          heads: heads, headSize: size, queryRank: queryRank, outputGroups: groups,
          outputRank: rank, ratio: ratio, indexHeads: isIndexed ? indexHeads : 0,
          indexSize: isIndexed ? indexSize : 0),
        window: window)
    }
  }
}
