// SPDX-License-Identifier: Apache-2.0
// epsim: what the code of a model family does where its config.json says nothing.

/// Defaults by `model_type`, read in the classes of Hugging Face transformers.
///
/// A field always goes before its default; every default that is used is listed as such.
struct ModelFamily {
  var score = RouterRule.Score.softmax
  var scope = RouterRule.Scope.all
  var renormalises = false
  var hasSelectionBias = false
  var tiesEmbeddings = false
  var attentionBias = false
  /// What `attention_bias: true` means.
  var biases = AttentionBlock.GroupedDetails.Biases.all
  var norm = AttentionBlock.GroupedDetails.Norm.none
  var hasOutputGate = false
  /// Heads and size of the indexer of sparse attention.
  var indexer: (heads: Int, size: Int)?

  private static let known = [
    "dbrx", "deepseek_v", "gemma", "glm4_moe", "glm_moe_dsa", "gpt_oss", "jamba", "kimi", "llama",
    "mimo", "minimax", "mixtral", "nemotron_h", "olmoe", "phimoe", "qwen2_moe", "qwen3", "step3p",
    "switch", "t5",
  ]

  /// Whether the class of a `model_type` was read.
  static func isKnown(_ modelType: String) -> Bool {
    known.contains { modelType.hasPrefix($0) }
  }

  /// The family of a `model_type`; one of its own for those not known.
  static func of(_ modelType: String) -> ModelFamily {
    var family = ModelFamily()
    let isLike = { (names: String...) in names.contains { modelType.hasPrefix($0) } }
    if isLike("deepseek_v3", "deepseek_v4", "kimi", "glm4_moe", "glm_moe_dsa", "mimo", "step3p") {
      family.score = .sigmoid
      family.renormalises = true
      family.hasSelectionBias = true
    }
    if isLike("nemotron_h") {
      family.score = .sigmoid
      family.renormalises = true
      family.hasSelectionBias = true
    }
    if isLike("deepseek_v4") { family.score = .sqrtSoftplus }
    if isLike("minimax") {
      family.score = .sigmoid
      family.renormalises = true
      family.norm = isLike("minimax_m3") ? .head : .all
    }
    if isLike("mixtral", "qwen3_next", "qwen3_5", "dbrx", "gemma4") { family.renormalises = true }
    if isLike("llama4") { family.score = .sigmoid }
    if isLike("gpt_oss") {
      family.scope = .chosen
      family.attentionBias = true
    }
    if isLike("phimoe") { family.attentionBias = true }
    if isLike("qwen2_moe") {
      family.attentionBias = true
      family.biases = .inputs
    }
    if isLike("glm4_moe") { family.biases = .inputs }
    if isLike("qwen3", "gemma4") { family.norm = .head }
    if isLike("olmoe") { family.norm = .all }
    if isLike("qwen3_next") { family.hasOutputGate = true }
    if isLike("gemma", "switch", "t5") { family.tiesEmbeddings = true }
    if isLike("glm_moe_dsa") { family.indexer = (32, 128) }
    if isLike("deepseek_v32") { family.indexer = (64, 128) }
    return family
  }
}
