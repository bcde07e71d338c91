// SPDX-License-Identifier: Apache-2.0
// epsim: the routing rule of a config.json.

extension ConfigReader {
  func router(experts: Int, moeLayers: Int) throws -> RouterRule {
    let score = try self.score()
    let method = try fields.word("selection", "topk_method")
    if let method, !["greedy", "group_limited_greedy", "noaux_tc"].contains(method) {
      throw InputError(
        "\(fields.place): topk_method is \(method), accepted is greedy, group_limited_greedy, "
          + "noaux_tc")
    }
    return RouterRule(
      score: score, scope: scope(), renormalises: try renormalises(),
      scaling: try scaling(), groups: try groups(experts: experts, method: method),
      hasSelectionBias: try selectionBias(method: method),
      hashLayerCount: try fields.integer("layers that route by a hash", "num_hash_layers") ?? 0)
  }

  private func score() throws -> RouterRule.Score {
    guard let name = try fields.word("scores", "scoring_func", "moe_router_activation_func") else {
      fields.assume("scores", family.score.rawValue)
      return family.score
    }
    switch name {
    case "softmax": return .softmax
    case "sigmoid": return .sigmoid
    case "sqrtsoftplus": return .sqrtSoftplus
    default:
      throw InputError(
        "\(fields.place): \(fields.lastField) is \(name), accepted is "
          + "softmax, sigmoid, sqrtsoftplus")
    }
  }

  private func scope() -> RouterRule.Scope {
    if family.scope != .all { fields.assume("scores over", family.scope.rawValue) }
    return family.scope
  }

  private func renormalises() throws -> Bool {
    if let stated = try fields.boolean(
      "weights renormalised", "norm_topk_prob", "moe_renormalize", "norm_expert_weight")
    {
      return stated
    }
    if let power = try fields.number(
      "norm that weights are divided by", "moe_normalize_expert_weights",
      "ffn_config.moe_normalize_expert_weights")
    {
      guard power == 1 else {
        throw InputError(
          "\(fields.place): moe_normalize_expert_weights is \(power), accepted is 1")
      }
      return true
    }
    fields.assume("weights renormalised", "\(family.renormalises)")
    return family.renormalises
  }

  private func scaling() throws -> Double {
    let stated = try fields.number(
      "factor on the weights", "routed_scaling_factor", "moe_router_scaling_factor")
    guard let stated else {
      fields.assume("factor on the weights", "1")
      return 1
    }
    return stated
  }

  private func selectionBias(method: String?) throws -> Bool {
    if let stated = try fields.boolean(
      "bias for the selection", "use_routing_bias", "use_moe_router_bias",
      "moe_router_enable_expert_bias")
    {
      return stated
    }
    if let method { return method == "noaux_tc" }
    fields.assume("bias for the selection", "\(family.hasSelectionBias)")
    return family.hasSelectionBias
  }

  private func groups(experts: Int, method: String?) throws -> RouterRule.GroupLimit? {
    guard let count = try fields.integer("groups of experts", "n_group", "num_expert_group") else {
      return nil
    }
    let open = try fields.integer("groups open to a token", "topk_group") ?? count
    guard count >= 1, experts % count == 0 else {
      throw InputError(
        "\(fields.place): n_group is \(count), accepted is a divisor of the \(experts) experts")
    }
    guard (1...count).contains(open) else {
      throw InputError("\(fields.place): topk_group is \(open), accepted is 1 to \(count)")
    }
    guard count > 1, method != "greedy" else { return nil }
    // DeepSeek-V2 or DeepSeek-V3, whose classes in transformers 5 differ in both.
    let isGreedy = method == "group_limited_greedy"
    let mask = isGreedy ? RouterRule.GroupLimit.Mask.zero : .minusInfinity
    fields.assume("experts of closed groups count as", mask.words)
    return RouterRule.GroupLimit(
      groupCount: count, openCount: open, summedScores: isGreedy ? 1 : 2, mask: mask)
  }
}
