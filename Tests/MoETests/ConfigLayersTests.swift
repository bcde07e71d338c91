// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the rules by which a config.json says what each layer is.

import MoE
import Testing

/// A small model of 6 layers with more fields.
private func model(_ fields: String, type: String = "other") throws -> ModelShape {
  try HuggingFaceConfig(
    json: """
      {"model_type": "\(type)", "hidden_size": 32, "vocab_size": 8, "num_hidden_layers": 6,
       "num_attention_heads": 4, "num_experts": 8, "num_experts_per_tok": 2,
       "moe_intermediate_size": 16, "intermediate_size": 64, \(fields)}
      """, name: "test", place: "config.json"
  ).model
}

@Suite struct ConfigLayersTests {
  @Test(arguments: [
    ("\"x\": 0", [0, 1, 2, 3, 4, 5]),
    ("\"first_k_dense_replace\": 2", [2, 3, 4, 5]),
    ("\"moe_layer_freq\": 2", [0, 2, 4]),
    ("\"first_k_dense_replace\": 1, \"moe_layer_freq\": 2", [2, 4]),
    ("\"moe_layer_freq\": [0, 1, 1, 0, 1, 0]", [1, 2, 4]),
    ("\"decoder_sparse_step\": 2", [1, 3, 5]),
    ("\"decoder_sparse_step\": 1, \"mlp_only_layers\": [0, 5]", [1, 2, 3, 4]),
    ("\"mlp_only_layers\": [1]", [0, 2, 3, 4, 5]),
    ("\"interleave_moe_layer_step\": 3", [2, 5]),
    ("\"moe_layers\": [4, 2]", [2, 4]),
    ("\"moe_layers_enum\": \"3,4,5\"", [3, 4, 5]),
    ("\"moe_layers_enum\": \"1, 2 ,3\"", [1, 2, 3]),
    (
      "\"mlp_layer_types\": [\"dense\",\"sparse\",\"sparse\",\"dense\",\"dense\",\"sparse\"]",
      [1, 2, 5]
    ),
    ("\"expert_layer_period\": 2, \"expert_layer_offset\": 1", [1, 3, 5]),
  ])
  func layersWithExperts(fields: String, expected: [Int]) throws {
    let model = try model(fields)
    #expect(model.moeLayers == expected)
    #expect(model.denseLayerCount == 6 - expected.count)
    #expect(model.denseFFNSize == (expected.count < 6 ? 64 : 0))
  }

  @Test(arguments: [
    ("\"moe_layers_enum\": \"1, 2,x3\"", "moe_layers_enum has \"x3\", accepted are numbers"),
    ("\"moe_layers_enum\": \"1,,2\"", "moe_layers_enum has \"\""),
    ("\"moe_layers_enum\": \"1 2\"", "moe_layers_enum has \"1 2\""),
    ("\"moe_layers_enum\": \"-1\"", "moe_layers_enum has \"-1\""),
    (
      "\"mlp_layer_types\": [\"moe\",\"moe\",\"sparse\",\"dens\",\"dense\",\"dense\"]",
      "mlp_layer_types has \"moe\", accepted are dense, sparse"
    ),
    (
      "\"layer_types\": [\"full_attention\",\"ful\",\"a\",\"a\",\"a\",\"a\"]",
      "layer_types has \"ful\", accepted are attention, chunked_attention, full_attention"
    ),
    (
      "\"linear_num_value_heads\": 2, \"layer_types\": [\"linear\"]",
      "layer_types has \"linear\", accepted are full_attention, linear_attention"
    ),
  ])
  func entriesThatAreNotKnownAreRefused(fields: String, expected: String) throws {
    let error = #expect(throws: InputError.self) { try model(fields) }
    #expect(try #require(error).description.contains(expected), "\(error!)")
  }

  @Test func groupsAreMaskedAsTheClassOfTheModelDoes() throws {
    let groups = "\"n_group\": 4, \"topk_group\": 2, \"topk_method\": "
    #expect(try model(groups + "\"noaux_tc\"").router.groups?.mask == .minusInfinity)
    #expect(try model(groups + "\"group_limited_greedy\"").router.groups?.mask == .zero)
  }

  @Test func blocksOfAHybridAreCounted() throws {
    let words =
      "\"layers_block_type\": [\"mamba\",\"moe\",\"attention\",\"mlp\",\"mamba\",\"moe\"]"
    let sizes =
      "\"mamba_num_heads\": 4, \"mamba_head_dim\": 8, \"n_groups\": 2, \"ssm_state_size\": 16, "
      + "\"conv_kernel\": 4"
    let hybrid = try model(words + ", " + sizes, type: "nemotron_h")
    #expect(hybrid.moeLayers == [1, 5] && hybrid.denseLayerCount == 1)
    #expect(hybrid.attention.map(\.layers) == [2, 1])
    let letters = try model("\"hybrid_override_pattern\": \"ME*-ME\", " + sizes, type: "nemotron_h")
    #expect(letters == hybrid)
  }

  @Test func windowsAreThoseOfTheLayersThatHaveThem() throws {
    let types =
      "\"sliding_window\": 16, \"layer_types\": [\"sliding_attention\",\"full_attention\","
      + "\"sliding_attention\",\"sliding_attention\",\"full_attention\",\"sliding_attention\"]"
    #expect(try model(types).attention.map(\.window) == [16, nil])
    #expect(try model(types).attention.map(\.layers) == [4, 2])
    #expect(try model("\"sliding_window\": 16").attention.map(\.window) == [16])
    let unused = try model("\"sliding_window\": 16, \"use_sliding_window\": false")
    #expect(unused.attention.map(\.window) == [nil])
    let wide = try model("\"sliding_window\": 4096, \"max_position_embeddings\": 4096")
    #expect(wide.attention.map(\.window) == [nil])
    let chunks = try model(
      "\"attention_chunk_size\": 8, \"no_rope_layers\": [1, 1, 0, 1, 1, 0]", type: "llama4_text")
    #expect(chunks.attention.map(\.layers) == [4, 2] && chunks.attention[0].window == 8)
  }

  @Test func sharedExpertsAreCountedByNumberOrByWidth() throws {
    func shared(_ fields: String) throws -> [Int] {
      let model = try model(fields)
      return [model.sharedExpertCount, model.sharedFFNSize]
    }
    #expect(try shared("\"n_shared_experts\": 3") == [3, 48])
    #expect(try shared("\"shared_expert_intermediate_size\": 40") == [1, 40])
    #expect(try shared("\"n_shared_experts\": 2, \"share_expert_dim\": 40") == [2, 40])
    #expect(try shared("\"shared_intermediate_size\": 0") == [0, 0])
    #expect(try shared("\"n_shared_experts\": 0") == [0, 0])
    #expect(try shared("\"x\": 0") == [0, 0])
  }
}
