// SPDX-License-Identifier: Apache-2.0
// epsim: tests of `epsim model`, and of models that other commands accept.

import Foundation
import TestSupport
import Testing

@Suite("Models on the command line", .serialized)
struct ModelCommandTests {
  private func printed(_ arguments: String...) throws -> String {
    let outcome = try Command.run(Tool.path, ["model"] + arguments)
    #expect(outcome.exitCode == 0 && outcome.error == "", "\(arguments): \(outcome.error)")
    return outcome.output
  }

  private func fits(_ text: String) -> Bool {
    text.split(separator: "\n").allSatisfy { $0.count <= 100 }
  }

  private func fixture(_ name: String) -> String {
    "Tests/Fixtures/huggingface-configs/\(name).json"
  }

  @Test("the list groups all presets by family and stars unverified ones")
  func list() throws {
    let text = try printed()
    #expect(fits(text))
    let lines = text.split(separator: "\n")
    #expect(lines.contains { $0.contains("qwen3-30b-a3b") && $0.contains("30.5B") })
    #expect(lines.contains { $0.contains("grok-1 *") } && text.contains("* some values"))
    #expect(lines.contains { $0.contains("llama-2-70b") && $0.contains("dense") })
    #expect(lines.count { $0.hasPrefix("DeepSeek") } == 1)
  }

  /// Caches by hand: Mixtral 32 x 2 x 8 x 128 values of 2 bytes.
  @Test("a preset is printed line by line, with cache, bytes, dense equals and published counts")
  func one() throws {
    let text = try printed("mixtral-8x7b", "--ranks", "4")
    #expect(fits(text))
    for part in [
      "routed experts  45 097 156 608", "cache of a context: 131 kB per token",
      "published: total 46.7B (computed +0.01 %)", "at most 2 of the experts", "equal active",
      "activation ratio: 27.3 %", "16 bit", "8 bit", "4 bit",
    ] {
      #expect(text.contains(part), "\(part) in\n\(text)")
    }
    let starred = try printed("qwen3.5-122b-a10b")
    #expect(fits(starred))
    #expect(
      starred.contains(
        "not read in a published configuration: router, attention, vocabulary_size"))
    #expect(starred.contains("a state of constant"))
  }

  @Test("JSON has the same figures")
  func json() throws {
    let record = try #require(
      try Tool.json(Tool.run("model", "gpt-oss-20b", "--json", "--ranks", "8")) as? [String: Any])
    #expect(record["experts_per_rank"] as? Int == 4)
    let cache = try #require(record["cache"] as? [String: Any])
    #expect(cache["values_per_token"] as? Int == 12 * 1024)
    let windows = try #require(cache["windows"] as? [[String: Any]])
    #expect(windows.first?["size"] as? Int == 128)
    let bytes = try #require(record["bytes_per_rank"] as? [[String: Any]])
    #expect(bytes.map { $0["bits"] as? Int } == [16, 8, 4])
    #expect((record["dense_equals"] as? [[String: Any]])?.count == 2)
    let all = try #require(try Tool.json(Tool.run("model", "--json")) as? [[String: Any]])
    #expect(all.count == 42)
    let two = try Tool.json(Tool.run("model", "tiny", "dbrx", "--json")) as? [[String: Any]]
    #expect(two?.compactMap { $0["name"] as? String } == ["tiny", "dbrx"])
  }

  @Test("extra slots and placement files count on the fullest rank")
  func placements() throws {
    func slots(_ arguments: String...) throws -> [Int] {
      let outcome = try Command.run(
        Tool.path, ["model", "tiny", "deepseek-v2-lite", "--json"] + arguments)
      #expect(outcome.exitCode == 0, "\(outcome.error)")
      let records = try #require(try Tool.json(outcome) as? [[String: Any]])
      return records.compactMap { $0["experts_per_rank"] as? Int }
    }
    #expect(try slots("--placement", "contiguous") == slots())
    #expect(try slots("--placement", "eplb+8") == [9, 9])
    let text = try printed("tiny", "--placement", "eplb+8")
    #expect(fits(text) && text.contains("at most 9 experts, copies counted (eplb+8)"))
    let folder = try TemporaryFolder()
    let plan = folder.path("plan.json")
    let written = try Tool.run(
      "place", "--model", "tiny", "--workload", "zipf:1", "--placement", "eplb+16", "--ranks", "8",
      "--write", plan)
    #expect(written.exitCode == 0, "\(written.error)")
    #expect(try slots("--placement", plan) == [10, 10])
  }

  @Test("what of a config.json is not understood is noted once, beside the result")
  func remarks() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(
      Data(
        """
        {"model_type": "novel_moe", "hidden_size": 32, "intermediate_size": 48, "vocab_size": 64,
         "num_local_experts": 4, "num_experts_per_tok": 2, "num_hidden_layers": 2,
         "num_attention_heads": 2, "router_topk_mode": "best", "foo": 1}
        """.utf8), "config.json")
    let note =
      "\(path): not used: foo, router_topk_mode; model_type novel_moe is unknown, defaults are "
      + "assumed for scores"
    let trace = folder.path("t.safetensors")
    for arguments in [
      ["run", "--tokens", "8", "--steps", "8", "--output", "-", "--json", "--workload", "uniform"],
      ["compare", "--tokens", "8", "--steps", "8", "--output", "-", "--workload", "uniform"],
      ["traffic", "--workload", "uniform", "--json"],
      ["place", "--workload", "uniform", "--ranks", "2"],
      ["trace", "generate", trace, "--workload", "uniform", "--tokens", "8"],
    ] {
      let outcome = try Command.run(Tool.path, arguments + ["--model", path])
      #expect(outcome.exitCode == 0, "\(arguments): \(outcome.error)")
      let notes = outcome.error.split(separator: "\n").filter { $0.hasPrefix(note) }
      #expect(
        notes.count == 1 && notes[0].hasSuffix("(see epsim model \(path))"), "\(outcome.error)")
      #expect(!outcome.output.contains("router_topk_mode"))
    }
    let ranks = try Tool.launch(
      2, "run", "--model", path, "--tokens", "8", "--steps", "8", "--output", "-", "--workload",
      "uniform")
    #expect(ranks.error.components(separatedBy: note).count == 2, "\(ranks.error)")
    let read = try Tool.run("trace", "inspect", trace, "--model", path)
    #expect(read.exitCode == 0, "\(read.error)")
  }

  @Test("several models stand side by side, further tables where there are too many")
  func comparison() throws {
    let text = try printed(
      "mixtral-8x7b", "deepseek-v3", "qwen3-coder-480b-a35b", "llama-2-70b", "gpt-oss-120b")
    #expect(fits(text))
    let tables = text.components(separatedBy: "\n\n")
    #expect(tables.count == 3)
    #expect(tables[0].contains("llama-2-70b") && tables[1].contains("gpt-oss-120b"))
    let widths = tables[0].split(separator: "\n").filter { $0.hasPrefix("  FFN width") }
    #expect(widths.count == 2 && widths[1].contains("28675"))
  }

  @Test("a config.json is read, its fields are named, and every command takes it")
  func configuration() throws {
    let text = try printed(fixture("kimi-k3"))
    #expect(fits(text))
    #expect(text.contains("text_config.num_experts_per_token"))
    #expect(text.contains("not used: text_config.attn_res_block_size"))
    let folder = try TemporaryFolder()
    let path = try folder.write(
      Data(
        """
        {"model_type": "mixtral", "hidden_size": 32, "intermediate_size": 48, "vocab_size": 64,
         "num_local_experts": 4, "num_experts_per_tok": 2, "num_hidden_layers": 2,
         "num_attention_heads": 2}
        """.utf8), "config.json")
    let run = try Tool.run(
      "run", "--model", path, "--tokens", "8", "--steps", "8", "--warmup", "0", "--workload",
      "uniform", "--check", "--output", folder.path("out"), "--json")
    #expect(run.exitCode == 0, "\(run.error)")
    let record = try #require(try Tool.json(run) as? [String: Any])
    let model = try #require(record["model"] as? [String: Any])
    #expect(model["hidden_size"] as? Int == 32 && model["experts"] as? Int == 4)
    #expect(model["name"] as? String == folder.url.lastPathComponent)
    let error = try #require(
      (record["cases"] as? [[String: Any]])?.first?["reference_error"] as? Double)
    #expect(error < 2e-2)
  }

  @Test("experts without a gate are computed and agree with the reference")
  func twoMatrices() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(
      Data(
        """
        {"model_type": "switch_transformers", "num_experts": 8, "encoder_sparse_step": 2,
         "decoder_sparse_step": 2, "num_layers": 4, "num_decoder_layers": 4, "d_model": 24,
         "d_ff": 40, "d_kv": 8, "num_heads": 3, "vocab_size": 32, "feed_forward_proj": "relu"}
        """.utf8), "small-switch.json")
    let run = try Tool.run(
      "run", "--model", path, "--tokens", "16", "--steps", "8", "--warmup", "0", "--check",
      "--dtype", "f32", "--workload", "uniform", "--output", folder.path("out"), "--json")
    #expect(run.exitCode == 0, "\(run.error)")
    let record = try #require(try Tool.json(run) as? [String: Any])
    #expect((record["model"] as? [String: Any])?["layers"] as? [Int] == [1, 3, 5, 7])
    let error = try #require(
      (record["cases"] as? [[String: Any]])?.first?["reference_error"] as? Double)
    #expect(error > 0 && error < 1e-5)
  }

  @Test(
    "what cannot be read or run is refused in one sentence",
    arguments: [
      (["model", "mixtral"], "unknown, presets like it are mixtral-8x22b, mixtral-8x7b; 'epsim"),
      (["model", "7"], "model 7 is unknown; 'epsim model' lists all"),
      (["model", "no/such/config.json"], "no/such/config.json"),
      (["model", "tiny", "--ranks", "0"], "--ranks 0"),
      (["model", "/dev/zero"], "model /dev/zero: this is no plain file"),
      (["model", "--placement", "eplb"], "needs the names of models"),
      (["model", "tiny", "llama-2-70b", "--placement", "eplb"], "llama-2-70b is dense"),
      (
        ["model", "tiny", "mixtral-8x7b", "--ranks", "3", "--placement", "eplb:hierarchical+x"],
        "eplb:hierarchical+x"
      ),
      (["run", "--model", "llama-2-70b"], "is dense"),
      (["traffic", "--model", "llama-2-70b", "--workload", "uniform"], "is dense"),
      (["run", "--model", "kimi-k3", "--workload", "uniform"], "from 7168 to 3584"),
    ])
  func refusals(arguments: [String], expected: String) throws {
    let outcome = try Command.run(Tool.path, arguments)
    #expect(outcome.exitCode == 2 && outcome.output == "")
    #expect(outcome.error.contains(expected), "\(outcome.error)")
    #expect(outcome.error.split(separator: "\n").count == 1)
  }
}
