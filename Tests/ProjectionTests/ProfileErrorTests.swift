// SPDX-License-Identifier: Apache-2.0
// epsim: tests of profiles that are refused: one sentence with file, key and what is accepted.

import Foundation
import MoE
import Projection
import Testing

@Suite struct ProfileErrorTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let old: String
    let new: String
    let words: [String]
    var testDescription: String { new.isEmpty ? "without \(old)" : new }

    init(_ old: String, _ new: String, _ words: String...) {
      self.old = old
      self.new = new
      self.words = words
    }
  }

  private static let overlap = "  overlap: { value: 85 %, measured: fit }"
  private static let uplinks = "    oversubscription: { value: \"2:1\", published: maker }\n"

  static let numbers = [
    Case("value: 85 %", "value: 85", "network.overlap", "85 without a unit", "80 %"),
    Case("value: 85 %", "value: 85 us", "network.overlap is 85 us", "share"),
    Case("value: 85 %", "value: 0 %", "network.overlap is 0 %"),
    Case("value: 85 %", "value: 101 %", "network.overlap is 101 %"),
    Case("value: 85 %", "value: .nan", "network.overlap is .nan"),
    Case("value: 85 %", "value: nan %", "network.overlap is nan %"),
    Case("value: 85 %", "value: inf %", "network.overlap is inf %"),
    Case("value: 85 %", "value: 0x10 %", "network.overlap is 0x10 %"),
    Case("value: 85 %", "value: 1e999 %", "network.overlap is 1e999 %"),
    Case("value: 85 %", "value: -5 %", "network.overlap is -5 %"),
    Case("value: 85 %", "value: \"\"", "network.overlap is empty"),
    Case("value: 85 %", "value: [85 %]", "network.overlap.value is a list"),
    Case("value: 85 %, ", "", "network.overlap.value is missing", "80 %"),
    Case("value: 8 us", "value: -8 us", "network.fixed is -8 us", "0 s to 1000 s"),
    Case("value: 8 us", "value: 8 GB/s", "network.fixed is 8 GB/s", "5 us"),
    Case("value: 8 us", "value: 1e9 s", "network.fixed is 1e9 s", "1000 s"),
    Case("value: 900 GB/s", "value: 0 GB/s", "network.inside.total is 0 GB/s", "450 GB/s"),
    Case("value: 900 GB/s", "value: 900 Gb/s", "network.inside.total is 900 Gb/s", "400 Gbit/s"),
    Case("value: 900 GB/s", "value: 900 gb/s", "network.inside.total is 900 gb/s"),
    Case("value: 64 GiB", "value: 0 GiB", "rank.memory.size is 0 GiB", "80 GiB"),
    Case("value: 64 GiB", "value: 1e30 TB", "rank.memory.size is 1e30 TB"),
    Case("value: 50 TFLOP/s", "value: 50 TFLOPS", "rank.peak.f32 is 50 TFLOPS", "989 TFLOP/s"),
    Case("value: 50 TFLOP/s", "value: 0 TFLOP/s", "rank.peak.f32 is 0 TFLOP/s"),
    Case("value: 4 ranks", "value: 4.5 ranks", "ranks_per_node is 4.5 ranks", "whole number"),
    Case("value: 4 ranks", "value: 0 ranks", "ranks_per_node is 0 ranks"),
    Case("value: 4 ranks", "value: 4", "ranks_per_node is 4 without a unit", "8 ranks"),
    Case("value: 4 ranks", "value: 4e9 ranks", "ranks_per_node is 4e9 ranks"),
    Case("value: \"2:1\"", "value: \"2:3\"", "oversubscription is 2:3", "2:1"),
    Case("value: 90 %", "value: 0 %", "groups.warm.speed is 0 %", "speed"),
    Case("64 KiB:", "64 KiB/s:", "a key of network.between.segments is 64 KiB/s", "80 GiB"),
    Case("64 KiB:", "0 kB:", "network.between.segments gives 0 kB twice"),
    Case("128 rows:", "0 rows:", "a key of rank.efficiency is 0 rows"),
    Case("[7 us, 9.5 us]", "[9 us, 9.5 us]", "network.fixed.interval is 9 us to 9.5 us", "8 us"),
    Case("[7 us, 9.5 us]", "[7 us]", "network.fixed.interval is a list", "[LOW, HIGH]"),
    Case("[7 us, 9.5 us]", "[7, 9.5 us]", "network.fixed.interval is 7 without a unit"),
  ]

  static let forms = [
    Case(overlap, "  overlap: 85 %", "network.overlap is 85 % without where it comes from"),
    Case(overlap, "  overlap: [1]", "network.overlap is a list", "measured|published|assumed"),
    Case(overlap, "  overlap: {}", "network.overlap is empty"),
    Case(overlap, "  overlap:", "network.overlap is empty"),
    Case(
      "85 %, measured: fit", "85 %", "network.overlap is not measured and published and assumed",
      "accepted is one of"),
    Case(
      "85 %, measured: fit", "85 %, measured: fit, assumed: maker",
      "network.overlap is both measured and assumed"),
    Case("85 %, measured: fit", "85 %, guessed: fit", "unknown key guessed in network.overlap"),
    Case("85 %, measured: fit", "85 %, measured: fat", "names the source fat", "fit"),
    Case("85 %, measured: fit", "85 %, measured: \"\"", "network.overlap.measured is empty"),
    Case("85 %, measured: fit", "85 %, measured: [fit]", "network.overlap.measured is a list"),
    Case("epsim-cluster/1", "epsim-cluster/2", "schema is epsim-cluster/2", "epsim-cluster/1"),
    Case("schema: epsim-cluster/1\n", "", "schema is missing", "epsim-cluster/1"),
    Case("name: complete", "name: two words", "name is two words", "letters"),
    Case("name: complete", "name: [a]", "name is a list", "text"),
    Case("name: complete", "name: \"a\\eb\"", "name is a?b", "prints"),
    Case("about: ", "abuot: ", "unknown key abuot at its top", "known there are schema"),
    Case("  per_expert:", "  per_exprt:", "unknown key per_exprt in rank", "per_expert"),
    Case("    f32:", "    fp16:", "unknown key fp16 in rank.peak", "f32, bf16, fp8, fp4"),
    Case("    kind: TCP\n", "", "network.between.kind is missing", "text"),
    Case("    size: { value: 64 GiB, published: maker }\n", "", "rank.memory.size is missing"),
    Case("  peak:\n      bf16", "  peaks:\n      bf16", "unknown key peaks in other_ranks.small"),
    Case("      bf16: { value: 40 TFLOP/s, published: maker }\n", "", "small.peak is empty"),
    Case("  small:", "  s mall:", "the name s mall in other_ranks"),
    Case("name: complete", "name: complete\nname: other", "second value to name"),
  ]

  static let contradictions = [
    Case("value: 150 GB/s", "value: 201 GB/s", "inside.bandwidth is 201 GB/s", "line rate"),
    Case(
      "value: 3 GB/s", "value: 3.2 GB/s", "segments.64 KiB.bandwidth is 3.2 GB/s", "25 Gbit/s"),
    Case("value: 50 TFLOP/s", "value: 101 TFLOP/s", "rank.peak.f32 is 101 TFLOP/s", "narrower"),
    Case("value: 8 ranks", "value: 10 ranks", "domain is 10 ranks", "whole nodes"),
    Case("value: 8 ranks", "value: 2 ranks", "domain is 2 ranks", "whole nodes"),
    Case("value: 2 ranks", "value: 8 ranks", "ranks_per_port is 8 ranks", "divides"),
    Case("value: 2 ranks", "value: 3 ranks", "ranks_per_port is 3 ranks", "divides"),
    Case("value: 4 nodes", "value: 3 nodes", "network.leaf.nodes is 3 nodes", "whole domains"),
    Case(uplinks, "", "network.leaf has neither oversubscription nor uplinks"),
    Case(
      uplinks, uplinks + "    uplinks: { value: 9 GB/s, assumed: fit }\n",
      "network.leaf has both oversubscription and uplinks"),
    Case("      0 B:", "      1 B:", "segments begins at 1 B", "0 B"),
    Case("    segments:", "    latency: { value: 1 s, assumed: fit }\n    segments:", "has both"),
    Case("    bandwidth: { value: 150 GB/s, measured: fit }\n", "", "inside.bandwidth is missing"),
    Case("kind: cpu", "kind: gpu", "rank.kind is gpu", "accelerator, cpu"),
    Case("  old: { nodes: \"1, 5..6\", rank: small }", "  old: { rank: small }", "neither nodes"),
    Case("rank: small }", "rank: tiny }", "groups.old.rank is tiny", "small"),
    Case(", rank: small }", " }", "groups.old differs in nothing"),
    Case("\"1, 5..6\"", "\"6..5\"", "groups.old.nodes is 6..5", "0, 4..7"),
    Case("\"1, 5..6\"", "\"1,,2\"", "groups.old.nodes is empty", "0, 4..7"),
    Case("\"1, 5..6\"", "\"-1\"", "groups.old.nodes is -1"),
    Case("\"1, 5..6\"", "\"1..9999999999999999999\"", "groups.old.nodes is 1..99999"),
    Case("\"1, 5..6\"", "\"1, 1\"", "groups.old names rank 4 twice"),
    Case("    ranks: 0", "    ranks: 22", "rank 22 is in groups.old and in groups.warm"),
  ]

  @Test(arguments: numbers + forms) func valueIsRefused(_ change: Case) throws {
    try check(change)
  }

  @Test(arguments: contradictions) func contradictionIsRefused(_ change: Case) throws {
    try check(change)
  }

  private func check(_ change: Case) throws {
    let old = change.old == "kind: cpu" ? "  name: Big\n  kind: accelerator" : change.old
    let new = change.old == "kind: cpu" ? "  name: Big\n  \(change.new)" : change.new
    let sentence = try ProfileFixture.refusal(of: ProfileFixture.changed(old, new))
    #expect(sentence.hasPrefix("bad.yaml"))
    for word in change.words { #expect(sentence.contains(word), "\(sentence)") }
    #expect(!sentence.contains("\n") && !sentence.hasSuffix("."))
    #expect(
      ["accepted", "known", "second"].contains { sentence.contains($0) })
  }

  @Test func levelsThatRanksNeedMustBeThere() throws {
    let text = ProfileFixture.text
    let start = try #require(text.range(of: "  inside:"))
    let end = try #require(text.range(of: "  between:"))
    let cut = text.replacingCharacters(in: start.lowerBound..<end.lowerBound, with: "")
    #expect(try ProfileFixture.refusal(of: cut).contains("network.inside is missing"))
  }
}
