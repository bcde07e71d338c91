// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the reader of config.json.

import Foundation
import MoE
import Testing

private let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
private let fixtures = tests.appending(path: "Fixtures/huggingface-configs")
private let presets = tests.deletingLastPathComponent().appending(path: "models")

private func text(_ name: String) throws -> String {
  try String(contentsOf: fixtures.appending(path: name + ".json"), encoding: .utf8)
}

private func read(_ json: String) throws -> HuggingFaceConfig {
  try HuggingFaceConfig(json: json, name: "test", place: "config.json")
}

private let names = try! FileManager.default.contentsOfDirectory(atPath: fixtures.path)
  .filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }.sorted()

@Suite struct HuggingFaceConfigTests {
  @Test func thereIsAConfigurationOfEveryFamily() { #expect(names.count == 31) }

  @Test(arguments: names) func publishedConfigurationParsesToThePreset(name: String) throws {
    var preset = try ModelFile(
      yaml: String(contentsOf: presets.appending(path: name + ".yaml"), encoding: .utf8),
      place: name
    ).model
    var model = try read(text(name)).model
    (preset.name, preset.source, model.name, model.source) = ("", "", "", "")
    // What presets know of the rest of a model stands in no field.
    preset.otherParameterCount = 0
    #expect(model == preset)
    #expect(try read(text(name)).isKnownType)
  }

  @Test func everyUsedFieldIsNamedAndUnknownOnesAreReported() throws {
    let json = try text("deepseek-v3").replacingOccurrences(
      of: "\"attention_bias\": false", with: "\"attention_bias\": false, \"flux_capacitor\": 3")
    let config = try read(json)
    func field(_ meaning: String) -> String? {
      config.usedFields.first { $0.meaning == meaning }?.field
    }
    #expect(field("routed experts") == "n_routed_experts")
    #expect(field("expert FFN width") == "moe_intermediate_size")
    #expect(config.usedFields.contains { $0.field == "scoring_func" && $0.value == "sigmoid" })
    #expect(config.ignoredFields.contains("flux_capacitor"))
    #expect(!config.ignoredFields.contains("n_group"))
    let nested = try read(text("kimi-k3"))
    #expect(nested.usedFields.contains { $0.field == "text_config.num_experts_per_token" })
    #expect(
      nested.usedFields.contains { $0.field == "text_config.linear_attn_config.num_heads" })
    let defaults = try read(text("mixtral-8x7b"))
    #expect(
      defaults.usedFields.contains {
        $0.meaning == "weights renormalised" && $0.field == "default of mixtral"
          && $0.value == "true"
      })
  }

  @Test(arguments: [
    ("deepseek-v3", "\"n_group\": 8", "\"n_group\": 7", "n_group is 7"),
    ("deepseek-v3", "\"topk_group\": 4", "\"topk_group\": 9", "topk_group is 9"),
    (
      "deepseek-v3", "\"num_experts_per_tok\": 8", "\"num_experts_per_tok\": 300",
      "300 experts per token of 256"
    ),
    (
      "deepseek-v3", "\"n_routed_experts\": 256", "\"n_routed_experts\": 256, \"num_experts\": 64",
      "n_routed_experts is 256 and num_experts is 64"
    ),
    ("deepseek-v3", "\"hidden_size\": 7168,", "", "no field for hidden size"),
    ("deepseek-v3", "\"hidden_size\": 7168", "\"hidden_size\": \"big\"", "hidden_size is big"),
    ("deepseek-v3", "\"hidden_size\": 7168", "\"hidden_size\": 1e30", "hidden_size is 1e+30"),
    ("deepseek-v3", "\"hidden_size\": 7168", "\"hidden_size\": -7168", "hidden_size is -7168"),
    ("deepseek-v3", "\"hidden_size\": 7168", "\"hidden_size\": NaN", "is not JSON"),
    ("deepseek-v3", "\"sigmoid\"", "\"entmax\"", "scoring_func is entmax"),
    ("deepseek-v3", "\"noaux_tc\"", "\"roulette\"", "topk_method is roulette"),
    ("deepseek-v3", "\"n_routed_experts\": 256,", "", "no number of experts"),
    ("mimo-v2-flash", "\"moe_layer_freq\": [0,", "\"moe_layer_freq\": [", "has 47 entries for 48"),
    ("mimo-v2-flash", "\"sliding_window_size\": 128", "\"sliding_window_size\": 64", "contradict"),
    ("nemotron-3-nano", "MEMEM*", "MEMEX*", "the letter X"),
    ("nemotron-3-nano", "*EMEMEMEME\"", "*EMEMEMEM\"", "has 51 entries for 52"),
    ("gpt-oss-20b", "\"experts_per_token\": 4", "\"experts_per_token\": 5", "contradict"),
    ("llama-4-maverick", "\"hidden_act\": \"silu\"", "\"hidden_act\": \"sine\"", "sine"),
    (
      "llama-4-maverick", "\"interleave_moe_layer_step\": 2",
      "\"interleave_moe_layer_step\": 2, \"moe_layers\": [0, 2]", "contradict"
    ),
    ("kimi-k3", "\"num_hidden_layers\": 93", "\"num_hidden_layers\": 94", "has 93 entries for 94"),
  ])
  func wrongConfigurationIsRefusedInOneSentence(
    name: String, old: String, new: String, expected: String
  ) throws {
    let good = try text(name)
    try #require(good.contains(old))
    let error = #expect(throws: InputError.self) {
      try read(good.replacingOccurrences(of: old, with: new))
    }
    let sentence = try #require(error).description
    #expect(sentence.contains(expected) && !sentence.contains("\n"), "\(sentence)")
  }

  @Test(arguments: [
    "", "[]", "3", "{}", "{\"hidden_size\": 8", "null", "\"text\"", "{\"a\":1e999}",
  ])
  func whatIsNoConfigurationIsRefused(json: String) {
    #expect(throws: InputError.self) { try read(json) }
  }

  @Test func deepNestingIsRefused() {
    let deep = String(repeating: "[", count: 100_000)
    #expect(throws: InputError.self) { try read(deep) }
    let closed = String(repeating: "{\"a\":", count: 600) + "1" + String(repeating: "}", count: 600)
    #expect(throws: InputError.self) { try read(closed) }
  }

  /// Cuts, numbers and words that are swapped, values of other types: a model or a sentence.
  /// EPSIM_FUZZ_CASES raises the number of cases.
  @Test func damagedConfigurationIsReadOrRefused() throws {
    let cases = ProcessInfo.processInfo.environment["EPSIM_FUZZ_CASES"].flatMap(Int.init) ?? 300
    let texts = try names.map(text)
    let numbers = [
      "0", "-1", "1", "2", "3.5", "1e308", "1e999", "-0.0", "1073741824", "9007199254740993",
      "18446744073709551616", "null", "true", "\"7\"", "[]", "[1,2]", "{}", "[[[1]]]", "NaN",
      "65537", "1023",
    ]
    let pattern = /: (-?[0-9.e]+|"[^"]*"|true|false|null|\[[^\]]*\])/
    for index in 0..<cases {
      let random = CounterRandom(seed: 7, UInt64(index))
      func draw(_ position: UInt64, below count: Int) -> Int {
        Int(random.bits(at: position) % UInt64(count))
      }
      var json = texts[draw(0, below: texts.count)]
      if draw(1, below: 4) == 0 {
        json = String(json.prefix(draw(2, below: json.count)))
      } else {
        for change in 0..<UInt64(1 + draw(3, below: 4)) {
          let places = json.matches(of: pattern).map(\.output.1)
          guard !places.isEmpty else { break }
          let place = places[draw(4 + 2 * change, below: places.count)]
          json.replaceSubrange(
            place.startIndex..<place.endIndex,
            with: numbers[draw(5 + 2 * change, below: numbers.count)])
        }
      }
      do {
        let model = try read(json).model
        let count = ParameterCount(model)
        #expect(count.total > 0 && count.active <= count.total)
      } catch let error as InputError {
        #expect(!error.description.contains("\n"), "\(error)")
      }
    }
  }
}
