// SPDX-License-Identifier: Apache-2.0
// epsim: fields of a config.json that say nothing about sizes and routing.

/// Names that need not be reported when the reader does not use them: of training, of tokens, of
/// positions, of other modalities, or stated again by fields that it uses (latent attention).
enum HarmlessFields {
  static func contains(_ name: String) -> Bool {
    names.contains(name) || prefixes.contains { name.hasPrefix($0) }
      || suffixes.contains { name.hasSuffix($0) }
  }

  private static let prefixes = [
    "rope", "vision", "image", "video", "audio", "img_", "boi_", "eoi_", "boa_", "eoa_", "_",
    "initializer", "time_step", "output_", "mtp_", "swiglu_", "activation_situ", "hc_", "max_",
    "partial_rotary", "projector", "multimodal", "media_", "media", "use_mtp", "num_mtp",
  ]
  private static let suffixes = [
    "_token_id", "_token_index", "_dropout", "_pdrop", "_eps", "_theta",
  ]
  private static let names: Set<String> = [
    "architectures", "auto_map", "model_type", "text_config", "llm_config", "torch_dtype", "dtype",
    "transformers_version", "use_cache", "pretraining_tp", "ep_size", "hidden_dropout_prob",
    "router_aux_loss_coef", "router_z_loss_coef", "aux_loss_alpha", "seq_aux", "moe_loss_weight",
    "router_jitter_noise", "input_jitter_noise", "moe_jitter_eps", "expert_dtype", "ep_size",
    "quantization_config", "num_nextn_predict_layers", "rms_norm_epsilon", "layer_norm_epsilon",
    "layernorm_epsilon", "norm_eps", "clip_qkv", "chunk_size", "rescale_prenorm_residual",
    "residual_in_fp32", "num_logits_to_keep", "mamba_hidden_act", "use_mamba_kernels",
    "mamba_ssm_cache_dtype", "mamba_proj_bias", "mamba_conv_bias", "use_conv_bias", "expand",
    "interpolate_factor", "final_logit_softcapping", "tokenizer_class", "is_encoder_decoder",
    "relative_attention_max_distance", "relative_attention_num_buckets", "n_positions",
    "dropout_rate", "expert_capacity", "router_bias", "router_dtype", "add_router_probs",
    "router_ignore_padding_tokens", "task_specific_params", "batch_prioritized_routing",
    "rotary_dim", "use_gemma_norm", "id2label", "label2id", "top_p", "temperature",
    "index_topk", "attention_value_scale", "lm_head_bias", "mlp_bias", "use_bias", "special_tokens",
    "initial_context_length", "attention_chunk_size", "qk_head_dim", "mla_use_nope",
    "num_key_value_heads", "head_dim", "use_grouped_topk", "latent_moe_use_norm",
    "vocab_size_per_layer_input", "use_bidirectional_attention", "num_kv_shared_layers",
  ]
}
