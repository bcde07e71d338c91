// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the shipped presets, their parameter counts and the preset reader.

import Foundation
import MoE
import Testing

private let modelsFolder = URL(filePath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent().deletingLastPathComponent().appending(path: "models")

private func preset(_ name: String) throws -> ModelShape {
  let file = modelsFolder.appending(path: name + ".yaml")
  return try ModelFile(yaml: String(contentsOf: file, encoding: .utf8), place: name).model
}

@Suite struct ModelTests {
  /// Published: Mixtral 46.7B / 12.9B (embedding included), DeepSeek-V3 671B / 37B.
  @Test func parameterCountsMatchThePublishedOnes() throws {
    func deviation(_ count: Int, _ published: Double) -> Double {
      abs(Double(count) / published - 1)
    }
    let mixtral = ParameterCount(try preset("mixtral-8x7b"))
    #expect(deviation(mixtral.total, 46.7e9) < 0.01)
    #expect(deviation(mixtral.activeWithEmbedding, 12.9e9) < 0.01)
    #expect(mixtral.activeWithEmbedding - mixtral.active == 32000 * 4096)
    let deepSeek = ParameterCount(try preset("deepseek-v3"))
    #expect(deviation(deepSeek.total, 671e9) < 0.01)
    #expect(deviation(deepSeek.active, 37e9) < 0.02)
    #expect(deepSeek.forwardFLOPsPerToken == 2 * deepSeek.active)
  }

  @Test func tinyPairsWithTheShippedTraces() throws {
    let tiny = try preset("tiny")
    #expect(tiny.moeLayers == Array(1..<27))
    #expect(tiny.expertCount == 64 && tiny.topK == 6 && tiny.sharedExpertCount == 2)
  }

  /// Mixtral by hand: 3 x 4096 x 14336 = 176 160 768 weights an expert.
  @Test func expertSizeIsThreeMatrices() throws {
    #expect(try preset("mixtral-8x7b").expertParameterCount == 176_160_768)
  }

  @Test(arguments: [
    ("hidden_size: 64", "hidden_size: 0", "hidden_size is 0"),
    ("hidden_size: 64", "hidden_size: 99999999999", "hidden_size is 99999999999"),
    ("hidden_size: 64", "hidden_size: 65537", "hidden_size is 65537"),
    ("expert_ffn_size: 32", "expert_ffn_size: 65537", "expert_ffn_size is 65537"),
    ("experts: 64", "experts: 16385", "experts is 16385"),
    ("layers: 27", "layers: 1025", "layers is 1025"),
    ("dense_ffn_size: 128", "dense_ffn_size: 1048577", "dense_ffn_size is 1048577"),
    (
      "kind: none", "kind: grouped, heads: 65537, key_value_heads: 1, head_size: 1",
      "attention.heads is 65537"
    ),
    (
      "kind: none", "kind: grouped, heads: 32, key_value_heads: 1, head_size: 65536",
      "32 heads of size 65536"
    ),
    ("top_k: 6", "top_k: 65", "top_k is 65"),
    ("top_k: 6", "top_k: six", "top_k is six, accepted is a whole number"),
    ("experts: 64", "experts: 8.5", "experts is 8.5, accepted is a whole number"),
    ("scaling: 1", "scaling: [1]", "router.scaling is a list, accepted is a single value"),
    ("dense_layers: 1", "moe_layers: [1, x]", "moe_layers.2 is x, accepted is a whole number"),
    (
      "scaling: 1", "scaling: 1, group_mask: one", "router.group_mask is one, accepted is zero, min"
    ),
    ("top_k: 6", "topk: 6", "unknown key topk"),
    ("dense_layers: 1", "dense_layers: 27", "dense_layers is 27"),
    ("scaling: 1", "scaling: .nan", "router.scaling is nan"),
    ("score: softmax", "score: entmax", "router.score is entmax, accepted is softmax"),
    ("kind: none", "kind: grouped", "attention.heads is missing"),
    ("top_k: 6\n", "", "key top_k is missing"),
    ("dense_layers: 1", "moe_layers: [3, 2]", "ascending order"),
    ("dense_layers: 1", "moe_layers: [26, 27]", "layers from 0 to 26"),
    ("dense_layers: 1", "moe_layers: { first: 30, every: 1 }", "moe_layers is every 1 from 30"),
    ("dense_layers: 1", "dense_layers: 26\nmoe_layers: [1, 2]", "more than the 27 layers"),
    ("shared_experts: 2", "shared_experts: 2000", "shared_experts is 2000"),
    ("top_k: 6", "top_k: 6\nunverified: [top_q]", "unverified names the key top_q"),
    ("top_k: 6", "top_k: 6\npublished: { total: .nan, source: x }", "published has the count nan"),
    ("top_k: 6", "top_k: 6\nactivation: tanh", "activation is tanh, accepted is swiglu"),
    ("top_k: 6", "top_k: 6\nexpert_input_size: 65", "expert_input_size is 65"),
    ("scaling: 1", "scaling: 1, group_limit: 2", "router.group_limit is 2, accepted is 1 to 1"),
    ("scaling: 1", "scaling: 1, hash_layers: 27", "router.hash_layers is 27"),
    ("kind: none", "kind: mamba2, heads: 4", "attention.head_size is missing"),
    ("kind: none", "kind: sparse", "attention.kind is sparse"),
    (
      "kind: none", "kind: cross, layers: 28, heads: 1, key_value_heads: 1, head_size: 1",
      "attention.layers is 28"
    ),
    (
      "kind: none", "kind: grouped, heads: 4, key_value_heads: 4, head_size: 4, norm: maybe",
      "attention.norm is maybe, accepted is none, head, all"
    ),
  ])
  func badPresetIsRefusedInOneSentence(old: String, new: String, expected: String) throws {
    let good = try String(
      contentsOf: modelsFolder.appending(path: "tiny.yaml"), encoding: .utf8)
    let error = #expect(throws: InputError.self) {
      try ModelFile(yaml: good.replacingOccurrences(of: old, with: new), place: "tiny.yaml")
    }
    let sentence = try #require(error).description
    #expect(sentence.contains(expected) && !sentence.contains("\n"), "\(sentence)")
  }

  @Test(arguments: [
    ("a: " + String(repeating: "[", count: 100_000), "line 1, column"),
    ("\u{1}\u{2}" + String(repeating: "x", count: 500), "control characters"),
    (String(repeating: "k\u{202E}", count: 500) + ": 1", "unknown key k?k?"),
    ("name: a\nname: b", "keys to be unique"),
  ])
  func textThatIsNoPresetIsNotRepeated(text: String, expected: String) throws {
    let error = #expect(throws: InputError.self) { try ModelFile(yaml: text, place: "bad.yaml") }
    let sentence = try #require(error).description
    #expect(sentence.contains(expected) && sentence.count < 500, "\(sentence)")
    #expect(sentence.unicodeScalars.allSatisfy { $0.isASCII && $0.value >= 32 }, "\(sentence)")
  }

  @Test func maskOfClosedGroupsIsZeroUnlessStated() throws {
    #expect(try preset("deepseek-v2").router.groups?.mask == .zero)
    #expect(try preset("deepseek-v3").router.groups?.mask == .minusInfinity)
    #expect(try preset("deepseek-v3.2").router.groups?.mask == .minusInfinity)
  }

  /// Arithmetic traps on overflow; the lines are checked against their formulas by hand.
  @Test(arguments: [
    ("none", 0), ("none", 1023),
    ("grouped, heads: 16, key_value_heads: 16, head_size: 65536", 0),
    (
      """
      latent, heads: 8, query_rank: 65536, key_value_rank: 65536, rope_size: 65536, \
      nope_size: 65536, value_size: 65536
      """, 0
    ),
  ])
  func largestAcceptedModelIsCountedWithoutOverflow(attention: String, denseLayers: Int) throws {
    let largest = """
      name: largest
      source: the bounds of the reader
      hidden_size: 65536
      expert_ffn_size: 65536
      experts: 16384
      top_k: 1024
      shared_experts: 1024
      layers: 1024
      dense_layers: \(denseLayers)
      dense_ffn_size: 1048576
      vocabulary_size: 16777216
      attention: { kind: \(attention) }
      expert_groups: 16384
      router: { score: sigmoid, renormalise: true, scaling: 1, selection_bias: true }
      """
    let count = ParameterCount(try ModelFile(yaml: largest, place: "largest").model)
    func total(_ name: String) -> Int { count.lines.first { $0.name == name }?.total ?? 0 }
    let moeLayers = 1024 - denseLayers
    #expect(total("routed experts") == moeLayers * (3 << 46))
    #expect(total("dense FFN") == denseLayers * (3 << 36))
    switch attention.prefix(4) {
    case "none": #expect(total("attention") == 0)
    // 4 products of 2^36 weights in each of 2^10 layers.
    case "grou": #expect(total("attention") == 1 << 48)
    default:
      // Queries, and keys and values with a rotary part: 2^32 down, a norm of 2^16, 2^36 up.
      let down = 3 << 32
      let norms = 2 << 16
      let up = 2 << 36
      let output = 1 << 35
      #expect(total("attention") == 1024 * (down + norms + up + output))
    }
    #expect(count.forwardFLOPsPerToken > 0)
    #expect(!count.total.multipliedReportingOverflow(by: 4).overflow)
  }

  @Test func anyPrefixOfAPresetIsReadOrRefused() throws {
    let good = try String(
      contentsOf: modelsFolder.appending(path: "deepseek-v3.yaml"), encoding: .utf8)
    for length in 0..<good.count {
      do {
        _ = try ModelFile(yaml: String(good.prefix(length)), place: "cut")
      } catch let error as InputError {
        #expect(!error.description.isEmpty)
      }
    }
  }
}
