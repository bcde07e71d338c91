// SPDX-License-Identifier: Apache-2.0
// epsim: which layers of a config.json have experts.

/// The layers of a model as its configuration lists them.
struct LayerStack {
  /// What a layer of a hybrid is; a layer of others mixes tokens and has an FFN.
  enum Kind: Equatable {
    case mamba, attention, experts, dense
  }

  /// All layers, an encoder's included.
  var count: Int
  /// Layers of the encoder, where there is one.
  var encoderCount = 0
  /// One entry per layer of a hybrid in which a layer is one thing only; else empty.
  var kinds: [Kind] = []

  /// Layers with experts or a dense FFN.
  var ffnLayers: Int {
    kinds.isEmpty ? count : kinds.count { $0 == .experts || $0 == .dense }
  }
}

extension ConfigReader {
  func layerStack() throws -> LayerStack {
    let kinds = try layerKinds()
    // Some files with a pattern have no number.
    let stated =
      kinds.isEmpty || fields.has("num_hidden_layers")
      ? try fields.need("layers", "num_hidden_layers", "n_layers", "num_layers") : kinds.count
    let decoder = try fields.integer("decoder layers", "num_decoder_layers") ?? 0
    guard (1...ModelShape.maxLayers).contains(stated + decoder) else {
      throw InputError(
        "\(fields.place) has \(stated + decoder) layers, accepted is 1 to \(ModelShape.maxLayers)")
    }
    if !kinds.isEmpty {
      try fields.requireLength(kinds.count, stated, of: "the layer pattern")
    }
    return LayerStack(
      count: stated + decoder, encoderCount: decoder > 0 ? stated : 0, kinds: kinds)
  }

  /// A hybrid's pattern of letters (Nemotron-H) or of words.
  private func layerKinds() throws -> [LayerStack.Kind] {
    if let pattern = try fields.word("layer pattern", "hybrid_override_pattern") {
      return try pattern.map { letter in
        switch letter {
        case "M": .mamba
        case "*": .attention
        case "E": .experts
        case "-": .dense
        default:
          throw InputError(
            "\(fields.place): hybrid_override_pattern has the letter \(letter), accepted are M, *, "
              + "E and -")
        }
      }
    }
    // Jamba's list of the same name says nothing of FFNs.
    guard fields.modelType.hasPrefix("nemotron"),
      let names = try fields.words("layer pattern", "layers_block_type")
    else { return [] }
    return try names.map { name in
      switch name {
      case "mamba": .mamba
      case "attention": .attention
      case "moe": .experts
      case "mlp": .dense
      default:
        throw InputError(
          "\(fields.place): layers_block_type has \(name), accepted are mamba, attention, moe, mlp")
      }
    }
  }

  /// Layers with experts, ascending. Rules that are stated twice must agree.
  func moeLayers(_ stack: LayerStack) throws -> [Int] {
    if !stack.kinds.isEmpty {
      return stack.kinds.indices.filter { stack.kinds[$0] == .experts }
    }
    let all = Array(0..<stack.count)
    var rules: [(field: String, layers: [Int])] = []
    if stack.encoderCount > 0 { return try encoderDecoderLayers(stack) }
    if let rule = try frequencyRule(all) { rules.append(rule) }
    if let step = try fields.integer("every n-th layer has experts", "decoder_sparse_step") {
      let dense = Set(try fields.integers("dense layers", "mlp_only_layers") ?? [])
      rules.append(
        (
          "decoder_sparse_step",
          all.filter { step > 0 && ($0 + 1) % step == 0 && !dense.contains($0) }
        ))
    } else if let dense = try fields.integers("dense layers", "mlp_only_layers") {
      rules.append(("mlp_only_layers", all.filter { !dense.contains($0) }))
    }
    if let step = try fields.integer(
      "every n-th layer has experts", "interleave_moe_layer_step")
    {
      rules.append(
        ("interleave_moe_layer_step", all.filter { step > 0 && ($0 + 1) % step == 0 }))
    }
    if let list = try fields.integers("layers with experts", "moe_layers") {
      rules.append(("moe_layers", list.sorted()))
    }
    if let list = try fields.word("layers with experts", "moe_layers_enum") {
      rules.append(("moe_layers_enum", try layerNumbers(list, of: "moe_layers_enum")))
    }
    if let types = try fields.words(
      "FFN of each layer", "mlp_layer_types", accepted: ["dense", "sparse"])
    {
      try fields.requireLength(types.count, stack.count, of: "mlp_layer_types")
      rules.append(("mlp_layer_types", all.filter { types[$0] == "sparse" }))
    }
    if let period = try fields.integer("every n-th layer has experts", "expert_layer_period") {
      let offset = try fields.integer("first layer with experts", "expert_layer_offset") ?? 0
      rules.append(
        (
          "expert_layer_period",
          all.filter { period > 0 && $0 >= offset && ($0 - offset) % period == 0 }
        ))
    }
    guard let first = rules.first else { return all }
    for rule in rules.dropFirst() where rule.layers != first.layers {
      throw InputError(
        "\(fields.place): \(first.field) puts experts in \(first.layers.count) layers, "
          + "\(rule.field) in \(rule.layers.count) or others, which contradict")
    }
    return first.layers
  }

  /// Layers that stand in a word, separated by commas; ascending.
  private func layerNumbers(_ list: String, of field: String) throws -> [Int] {
    try list.split(separator: ",", omittingEmptySubsequences: false).map { entry in
      let words = entry.split(whereSeparator: \.isWhitespace)
      guard words.count == 1, let layer = Int(words[0]),
        (0..<ModelShape.maxLayers).contains(layer)
      else {
        throw InputError(
          "\(fields.place): \(field) has \"\(InputError.excerpt(entry))\", accepted are numbers of "
            + "layers from 0, separated by commas")
      }
      return layer
    }.sorted()
  }

  /// DeepSeek's rule: after the first dense ones, every layer whose number the frequency divides;
  /// or a list of zeros and ones.
  private func frequencyRule(_ all: [Int]) throws -> (field: String, layers: [Int])? {
    let dense = try fields.integer("dense first layers", "first_k_dense_replace")
    guard let value = try fields.value("layers with experts", ["moe_layer_freq"]) else {
      return dense.map { first in ("first_k_dense_replace", all.filter { $0 >= first }) }
    }
    if case .list = value {
      let flags = try fields.integers("layers with experts", "moe_layer_freq") ?? []
      try fields.requireLength(flags.count, all.count, of: "moe_layer_freq")
      let layers = all.filter { flags[$0] != 0 }
      if let dense, layers.contains(where: { $0 < dense }) {
        throw InputError(
          "\(fields.place): first_k_dense_replace is \(dense), but moe_layer_freq puts experts into "
            + "a layer before it")
      }
      return ("moe_layer_freq", layers)
    }
    let every = try fields.need("layers with experts", "moe_layer_freq")
    return ("moe_layer_freq", all.filter { $0 >= dense ?? 0 && $0 % every == 0 })
  }

  /// Switch: of encoder and decoder each every n-th layer, from the second on.
  private func encoderDecoderLayers(_ stack: LayerStack) throws -> [Int] {
    func sparse(_ first: Int, _ count: Int, _ side: String) throws -> [Int] {
      let wanted =
        try fields.integer("\(side) layers with experts", "num_sparse_\(side)_layers") ?? 0
      let step =
        try fields.integer("every n-th \(side) layer has experts", "\(side)_sparse_step")
        ?? (wanted > 0 ? count / wanted : 0)
      let layers = (0..<count).filter { step > 0 && ($0 % step == 1 || step == 1) }
      guard wanted == 0 || layers.count == wanted else {
        throw InputError(
          "\(fields.place): num_sparse_\(side)_layers is \(wanted), but every \(step)-th of \(count) "
            + "layers are \(layers.count)")
      }
      return layers.map { $0 + first }
    }
    return try sparse(0, stack.encoderCount, "encoder")
      + sparse(stack.encoderCount, stack.count - stack.encoderCount, "decoder")
  }
}
