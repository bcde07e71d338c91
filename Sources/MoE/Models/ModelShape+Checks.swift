// SPDX-License-Identifier: Apache-2.0
// epsim: what a model must be for its counts to make sense.

extension ModelShape {
  /// The most layers that a model may have.
  static let maxLayers = 1024

  /// This model, or the first size that no model has.
  ///
  /// The bounds keep every product of sizes far from overflow: an expert has at most
  /// 3 * 2^(16 + 16) weights, the routed experts of all layers 3 * 2^(32 + 14 + 10), the shared ones
  /// 3 * 2^(16 + 26 + 10); heads times their size is at most 2^20, so that attention has below 2^39
  /// weights in a layer and below 2^50 in all. Together below 2^58: even 4 bytes of each, or 2
  /// operations, stay below 2^63.
  /// - Throws: ``InputError`` that names the key of the preset, its value and what is accepted.
  public func checked(place: String) throws -> ModelShape {
    func check(_ key: String, _ value: Int, _ accepted: ClosedRange<Int>) throws {
      guard accepted.contains(value) else {
        throw InputError(
          "\(place): \(key) is \(value), accepted is \(accepted.lowerBound) to "
            + "\(accepted.upperBound)")
      }
    }
    try check("hidden_size", hiddenSize, 1...65_536)
    try check("experts", expertCount, 0...16_384)
    try check("layers", layerCount, 1...Self.maxLayers)
    if expertCount > 0 {
      try check("expert_ffn_size", expertFFNSize, 1...65_536)
      try check("top_k", topK, 1...min(expertCount, 1024))
      try check("expert_groups", expertGroupCount, 1...expertCount)
      try check("dense_layers", denseLayerCount, 0...layerCount - 1)
    }
    try check("expert_input_size", expertInputSize, 1...hiddenSize)
    try check("shared_experts", sharedExpertCount, 0...1024)
    try check("shared_ffn_size", sharedFFNSize, 0...(1 << 26))
    try check("dense_layers", denseLayerCount, 0...layerCount)
    try check("dense_ffn_size", denseFFNSize, 0...1_048_576)
    try check("vocabulary_size", vocabularySize, 0...16_777_216)
    try check("other_parameters", otherParameterCount, 0...(1 << 50))
    try checkLayers(place: place)
    try checkRouter(place: place)
    for block in attention {
      try check("attention.layers", block.layers, 1...layerCount)
      try check("attention.window", block.window ?? 1, 1...(1 << 30))
      try block.checkSizes(place: place)
    }
    try check("attention.layers in all", attention.reduce(0) { $0 + $1.layers }, 0...2 * layerCount)
    return self
  }

  private func checkLayers(place: String) throws {
    guard zip(moeLayers, moeLayers.dropFirst()).allSatisfy({ $0 < $1 }),
      moeLayers.allSatisfy((0..<layerCount).contains)
    else {
      throw InputError(
        "\(place): moe_layers is not a list of layers from 0 to \(layerCount - 1) in ascending order"
      )
    }
    guard moeLayers.isEmpty == (expertCount == 0) else {
      throw InputError(
        "\(place): experts is \(expertCount) with \(moeLayers.count) layers that have experts, "
          + "accepted are experts in at least one layer, or neither")
    }
    guard moeLayers.count + denseLayerCount <= layerCount else {
      throw InputError(
        "\(place): \(moeLayers.count) layers with experts and \(denseLayerCount) dense layers are "
          + "more than the \(layerCount) layers of the model")
    }
    guard denseLayerCount == 0 || denseFFNSize > 0 || expertCount > 0 else {
      throw InputError("\(place): dense_ffn_size is 0 with \(denseLayerCount) dense layers")
    }
  }

  private func checkRouter(place: String) throws {
    guard router.scaling.isFinite, router.scaling > 0 else {
      throw InputError("\(place): router.scaling is \(router.scaling), accepted is above 0")
    }
    guard (0...moeLayers.count).contains(router.hashLayerCount) else {
      throw InputError(
        "\(place): router.hash_layers is \(router.hashLayerCount), accepted is 0 to "
          + "\(moeLayers.count)")
    }
    guard let groups = router.groups else { return }
    guard groups.groupCount >= 1, expertCount % groups.groupCount == 0 else {
      throw InputError(
        "\(place): router.group_limit needs groups of equal size, \(groups.groupCount) groups do "
          + "not divide \(expertCount) experts")
    }
    let members = expertCount / groups.groupCount
    guard (1...groups.groupCount).contains(groups.openCount), topK <= groups.openCount * members
    else {
      throw InputError(
        "\(place): router.group_limit is \(groups.openCount) of \(groups.groupCount) groups, whose "
          + "experts must be at least top_k \(topK)")
    }
    guard (1...members).contains(groups.summedScores) else {
      throw InputError(
        "\(place): router.group_scores is \(groups.summedScores), accepted is 1 to \(members)")
    }
  }

  /// That the model has experts, for commands that spread them over ranks.
  /// - Throws: ``InputError`` that says what to do with a dense model.
  public func requireExperts() throws {
    guard moeLayers.isEmpty else { return }
    throw InputError(
      "model \(name) is dense: it has no experts to place or to route to; choose a model with "
        + "experts (see 'epsim model'), for 'epsim model' compares it with others")
  }

  /// That a run can compute the model's experts as the model does.
  /// - Throws: ``InputError`` where rows travel at another width than the hidden size.
  public func requireFullWidthRows() throws {
    guard expertInputSize != hiddenSize else { return }
    throw InputError(
      "model \(name) projects its rows from \(hiddenSize) to \(expertInputSize) values before they "
        + "travel to experts, which runs do not simulate; 'epsim model', 'place' and 'traffic' "
        + "accept it")
  }
}

extension AttentionBlock {
  /// Heads times their size within 2^20, each size within 2^16.
  fileprivate func checkSizes(place: String) throws {
    func check(_ what: String, _ count: Int, _ size: Int) throws {
      let (width, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow, count >= 1, size >= 1, width <= 1 << 20 else {
        throw InputError(
          "\(place): attention has \(count) \(what) of size \(size), accepted are sizes from 1 and "
            + "products up to \(1 << 20)")
      }
    }
    switch kind {
    case .grouped(let heads, let keyValueHeads, let headSize, let details):
      try check("heads", heads, max(headSize, details.valueSize ?? 1))
      try check("key_value_heads", keyValueHeads, max(headSize, details.valueSize ?? 1))
    case .cross(let heads, let keyValueHeads, let headSize):
      try check("heads", heads, headSize)
      try check("key_value_heads", keyValueHeads, headSize)
    case .latent(let heads, let query, let keyValue, let rope, let nope, let value, let details):
      for size in [query ?? 1, keyValue, rope, nope, value] { try check("ranks", 1, size) }
      try check("heads", heads, rope + nope)
      try check("heads", heads, value)
      if details.indexHeads > 0 { try check("index_heads", details.indexHeads, details.indexSize) }
    case .gatedDelta(let keyHeads, let valueHeads, let keySize, let valueSize, let convolution):
      try check("key_heads", keyHeads, keySize)
      try check("value_heads", valueHeads, valueSize)
      try check("convolution inputs", 1, convolution)
    case .compressed(
      let heads, let headSize, let query, let groups, let rank, let ratio, let indexHeads,
      let indexSize):
      try check("heads", heads, headSize)
      try check("output_groups", groups, rank)
      for size in [query, rank, max(1, ratio)] { try check("ranks and ratios", 1, size) }
      if indexHeads > 0 { try check("index_heads", indexHeads, indexSize) }
    case .kimiDelta(let heads, let headSize, let convolution):
      try check("heads", heads, headSize)
      try check("convolution inputs", 1, convolution)
    case .mamba(let inner, let state, let stepRank, let convolution):
      for size in [inner, state, stepRank, convolution] { try check("values", 1, size) }
    case .mamba2(let heads, let headSize, let groups, let state, let convolution):
      try check("heads", heads, headSize)
      try check("groups", groups, state)
      try check("convolution inputs", 1, convolution)
    }
  }
}
