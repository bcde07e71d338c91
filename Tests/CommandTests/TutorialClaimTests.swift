// SPDX-License-Identifier: Apache-2.0
// epsim: tests of what the capacity tutorial claims, by counts and closed forms, at small scale.

import Foundation
import TestSupport
import Testing

@Suite("Tutorial claims", .serialized)
struct TutorialClaimTests {
  private static let models = "examples/tutorial/"

  /// The cases of a comparison on some ranks, as its record has them.
  private func cases(_ ranks: Int, _ arguments: String...) throws -> [[String: Any]] {
    let outcome = try Command.run(
      "scripts/launch",
      ["-n", "\(ranks)", "--timeout", "60", "--", Tool.path, "compare"] + arguments
        + ["--steps", "8", "--warmup", "0", "--output", "-", "--json", "--computed-ranks", "none"])
    #expect(outcome.exitCode == 0, "\(arguments): \(outcome.error)")
    let record = try #require(try Tool.json(outcome) as? [String: Any])
    return try #require(record["cases"] as? [[String: Any]])
  }

  private func number(_ value: Any?, _ path: String...) throws -> Double {
    var value = value
    for key in path { value = (value as? [String: Any])?[key] }
    return try #require((value as? NSNumber)?.doubleValue, "\(path)")
  }

  /// What of a case's capacity use must hold for any batch.
  private func expectConserved(_ item: [String: Any], assignments: Double) throws {
    let kept = try number(item, "capacity_use", "kept")
    let dropped = try number(item, "capacity_use", "dropped")
    let slots = try number(item, "capacity_use", "slots")
    #expect(kept + dropped == assignments)
    for way in ["dispatch", "combine"] {
      #expect(try number(item, "copies", "logical", way) == kept, "rows of \(way)")
    }
    #expect(abs(try number(item, "capacity_use", "utilisation") - kept / slots) < 1e-12)
    #expect(abs(try number(item, "capacity_use", "padded_over_kept") - slots / kept) < 1e-12)
    #expect(
      abs(try number(item, "capacity_use", "dropped_share") - dropped / assignments) < 1e-12)
  }

  private func fixedBatch(_ folder: TemporaryFolder) throws -> String {
    let path = folder.path("batch.safetensors")
    let outcome = try Tool.run(
      "trace", "convert", Self.models + "batch", path, "--experts", "4", "--top-k", "1")
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    return path
  }

  /// The loads of the batch's sequences: what each of two ranks holds.
  private static let loads = [[2, 3, 2, 1], [6, 1, 1, 0]]

  @Test("the fixed batch drops what the closed form says, whatever the policy and the scope")
  func fixedBatchDrops() throws {
    let folder = try TemporaryFolder()
    let batch = try fixedBatch(folder)
    let factors = [1, 1.25, 1.5, 2]
    let policies = ["position", "probability", "random"]
    for scope in ["rank", "global"] {
      let items = try cases(
        2, "--model", Self.models + "batch.yaml", "--workload", batch, "--tokens", "16",
        "--capacity", "1.0,1.25,1.5,2.0", "--drop-policy", policies.joined(separator: ","),
        "--capacity-scope", scope)
      #expect(items.count == factors.count * policies.count)
      let batches =
        scope == "rank" ? Self.loads : [zip(Self.loads[0], Self.loads[1]).map { $0 + $1 }]
      for (index, item) in items.enumerated() {
        let factor = factors[index / policies.count]
        let dropped = batches.reduce(0) { sum, loads in
          let capacity = Int((Double(loads.reduce(0, +)) * factor / 4).rounded(.up))
          return sum + loads.reduce(0) { $0 + max(0, $1 - capacity) }
        }
        #expect(
          try number(item, "capacity_use", "dropped") == Double(dropped), "\(scope) \(factor)")
        try expectConserved(item, assignments: 16)
      }
    }
  }

  @Test("random batches drop as forecast within 1.5 %, and less with every larger factor")
  func forecast() throws {
    for workload in ["uniform", "zipf:1"] {
      let items = try cases(
        2, "--model", "tiny", "--layers", "1,2", "--workload", workload, "--tokens", "256",
        "--compute", "none", "--capacity", "1.0,1.25,1.5,2.0")
      var last = Double.infinity
      for (item, factor) in zip(items, [1, 1.25, 1.5, 2]) {
        try expectConserved(item, assignments: 2 * 256 * 6)
        // Each of two ranks holds 128 tokens, in two layers.
        #expect(
          try number(item, "capacity_use", "slots")
            == 2 * 2 * 64 * (128 * 6 * factor / 64).rounded(.up))
        let dropped = try number(item, "capacity_use", "dropped_share")
        let forecast = try number(item, "capacity_use", "forecast_dropped_share")
        #expect(abs(dropped - forecast) < 0.015, "\(workload) \(factor)")
        #expect(dropped <= last)
        last = dropped
      }
    }
  }

  @Test("a global capacity drops the same on every number of ranks, one per rank does not")
  func scopes() throws {
    func dropped(_ ranks: Int) throws -> [Double] {
      try cases(
        ranks, "--model", "tiny", "--layers", "1,19", "--workload", Tool.lawTrace, "--tokens",
        "256", "--compute", "none", "--capacity", "1.25", "--capacity-scope", "rank,global"
      ).map { try number($0, "capacity_use", "dropped") }
    }
    let (one, three) = (try dropped(1), try dropped(3))
    #expect(one[0] == one[1] && three[1] == one[1])
    #expect(three[0] > one[0])
  }

  @Test("rerouting drops nothing with top-1 and at most as much as dropping by position with top-6")
  func rerouting() throws {
    let options = ["--capacity", "1", "--drop-policy", "position,reroute"]
    for (model, layers, choices) in [(Self.models + "batch.yaml", "1", 1), ("tiny", "2", 6)] {
      let items = try cases(
        2, "--model", model, "--layers", layers, "--workload", "router", "--tokens", "128",
        options[0], options[1], options[2], options[3])
      let dropped = try items.map { try number($0, "capacity_use", "dropped") }
      #expect(dropped[0] > 0 && dropped[1] < dropped[0] / 10, "\(model): \(dropped)")
      if choices == 1 { #expect(dropped[1] == 0) }
      for item in items {
        try expectConserved(item, assignments: Double(128 * choices) * (choices == 1 ? 1 : 2))
      }
    }
  }

  @Test("top-1 sends half of the rows of top-2")
  func topK() throws {
    let items = try cases(
      2, "--model", Self.models + "coarse.yaml", "--layers", "1", "--workload", "balanced",
      "--tokens", "64", "--compute", "none", "--top-k", "1,2")
    let rows = try items.map { try number($0, "copies", "logical", "dispatch") }
    #expect(rows == [64, 128])
    let bytes = try items.map { try number($0, "bytes", "logical", "dispatch") }
    #expect(bytes[1] == 2 * bytes[0])
  }

  @Test("coarse, fine and dense have equal expert FLOPs, dense-total as many parameters as coarse")
  func shapes() throws {
    var active: [String: Int] = [:]
    var total: [String: Int] = [:]
    for name in ["coarse", "fine", "dense", "dense-total"] {
      let outcome = try Tool.run("model", Self.models + name + ".yaml", "--json")
      #expect(outcome.exitCode == 0, "\(outcome.error)")
      let model = try #require(try Tool.json(outcome) as? [String: Any])
      let lines = try #require(model["lines"] as? [[String: Any]])
      let experts = try #require(lines.first { $0["name"] as? String == "routed experts" })
      active[name] = experts["active"] as? Int
      total[name] = experts["total"] as? Int
    }
    // Sixteen layers of three matrices, 512 x 1536 active columns.
    #expect(active["coarse"] == 16 * 3 * 512 * 1536)
    #expect(active["fine"] == active["coarse"] && active["dense"] == active["coarse"])
    #expect(total["dense-total"] == total["coarse"])
  }

  @Test("a dense layer on every rank sends no row away, the sparse one half of its rows")
  func dense() throws {
    let dense = try cases(
      2, "--model", Self.models + "dense.yaml", "--layers", "1", "--workload", "uniform",
      "--tokens", "256", "--compute", "none", "--placement", "eplb+1", "--replica-choice",
      "nearest")
    #expect(try number(dense[0], "bytes", "off_rank", "dispatch") == 0)
    #expect(try number(dense[0], "bytes", "off_rank", "combine") == 0)
    #expect(try number(dense[0], "load", "max_over_mean") == 1)
    let sparse = try cases(
      2, "--model", Self.models + "coarse.yaml", "--layers", "1", "--workload", "balanced",
      "--tokens", "256", "--compute", "none")
    let share =
      try number(sparse[0], "copies", "off_rank", "dispatch")
      / number(sparse[0], "copies", "logical", "dispatch")
    #expect(abs(share - 0.5) < 0.05, "\(share)")
  }
}
