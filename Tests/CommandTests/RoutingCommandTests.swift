// SPDX-License-Identifier: Apache-2.0
// epsim: tests of routers, capacity and losses at the command line.

import Foundation
import TestSupport
import Testing

@Suite("Routing options")
struct RoutingCommandTests {
  private func cases(_ command: Command) throws -> [[String: Any]] {
    #expect(command.exitCode == 0, "\(command.error)")
    let record = try #require(try Tool.json(command) as? [String: Any])
    return try #require(record["cases"] as? [[String: Any]])
  }

  @Test("a larger capacity drops less, and what is dropped adds up")
  func capacity() throws {
    let cases = try cases(
      Tool.run(
        "compare", "--model", "tiny", "--workload", "zipf:1", "--layers", "2", "--tokens", "300",
        "--steps", "2", "--capacity", "none,1,1.25,2", "--output", "-", "--json"))
    #expect(
      cases.map { $0["name"] as? String } == [
        "dropless", "capacity 1", "capacity 1.25", "capacity 2",
      ])
    var previous = Double.infinity
    for (index, entry) in cases.enumerated() {
      let dropped = try #require(entry["dropped"] as? [String: Double])
      let copies = try #require((entry["copies"] as? [String: [String: Double]])?["logical"])
      // T K of two layers.
      #expect(copies["dispatch"]! + dropped["assignments"]! == 300 * 6 * 2)
      guard index > 0 else {
        #expect(dropped["assignments"] == 0 && entry["capacity_use"] is NSNull)
        continue
      }
      #expect(dropped["assignments"]! < previous)
      previous = dropped["assignments"]!
      let use = try #require(entry["capacity_use"] as? [String: Any])
      let slots = try #require(use["slots"] as? Double)
      let factor = [1, 1.25, 2][index - 1]
      #expect(slots == 2 * 64 * (300 * 6 * factor / 64).rounded(.up))
      #expect(abs((use["utilisation"] as! Double) - copies["dispatch"]! / slots) < 1e-12)
      // Popularity is known exactly, so the forecast of random tokens is close.
      let shares = (use["dropped_share"] as! Double, use["forecast_dropped_share"] as! Double)
      #expect(abs(shares.0 - shares.1) < 0.02, "\(shares)")
    }
  }

  @Test("run and traffic count the same drops")
  func traffic() throws {
    let options = [
      "--model", "tiny", "--workload", Tool.lawTrace, "--layers", "3", "--tokens", "512",
      "--capacity", "1.25", "--drop-policy", "probability", "--capacity-scope", "global",
    ]
    let run = try cases(
      Command.run(
        Tool.path,
        ["run"] + options + ["--steps", "1", "--warmup", "0", "--output", "-", "--json"]))
    let traffic = try Command.run(Tool.path, ["traffic"] + options + ["--ranks", "4", "--json"])
    let record = try #require(try Tool.json(traffic) as? [[String: Any]])
    let layers = try #require(record[0]["per_layer"] as? [[String: Any]])
    let kept = layers.reduce(0) { $0 + ($1["assignments"] as! Int) }
    let dropped = try #require(run[0]["dropped"] as? [String: Double])["assignments"]!
    #expect(dropped > 0 && Double(kept) + dropped == 512 * 6 * 3)
  }

  @Test("top-k takes the first choices of a trace")
  func topK() throws {
    let cases = try cases(
      Tool.run(
        "compare", "--model", "tiny", "--workload", Tool.lawTrace, "--layers", "1", "--tokens",
        "100", "--steps", "1", "--top-k", "1,2,6", "--output", "-", "--json"))
    #expect(cases.map { $0["top_k"] as? Int } == [1, 2, 6])
    let rows = cases.map {
      (($0["copies"] as! [String: [String: Double]])["logical"]!)["dispatch"]!
    }
    #expect(rows == [100, 200, 600])
  }

  @Test(
    "live routers by name pass the reference check and print their losses",
    arguments: [
      "router", "router:switch", "router:expert-choice", "router:sinkhorn", "router:balanced",
    ])
  func routers(workload: String) throws {
    let cases = try cases(
      Tool.run(
        "run", "--model", "tiny", "--workload", workload, "--layers", "2", "--tokens", "128",
        "--steps", "1", "--dtype", "f32", "--check", "--losses", "--output", "-", "--json"))
    #expect((cases[0]["reference_error"] as! Double) < 1e-5)
    let balance = try #require(cases[0]["balance"] as? [[String: Any]])
    #expect(balance.count == 2 && balance[0]["layer"] as? Int == 1)
    let global = try #require(balance[0]["auxiliary_global"] as? Double)
    #expect(global > 0.9 && global < 3)
    if workload == "router:balanced" {
      #expect(balance[0]["expert_max_over_mean"] as? Double == 1)
    }
  }

  @Test("presets with their own router run live on a shard")
  func presetRouter() throws {
    // A shape with the router of DeepSeek-V3 and small experts.
    let folder = try TemporaryFolder()
    let preset = try String(contentsOfFile: "models/deepseek-v3.yaml", encoding: .utf8)
      .replacing("hidden_size: 7168", with: "hidden_size: 64")
      .replacing("expert_ffn_size: 2048", with: "expert_ffn_size: 16")
    let path = try folder.write(Data(preset.utf8), "small-v3.yaml")
    let cases = try cases(
      Tool.run(
        "run", "--model", path, "--layers", "2", "--tokens", "64", "--steps", "1", "--dtype",
        "f32", "--check", "--capacity", "1", "--drop-policy", "reroute", "--output", "-", "--json"))
    #expect((cases[0]["reference_error"] as! Double) < 1e-5)
    #expect(cases[0]["top_k"] as? Int == 8)
  }

  @Test("capacity counts with the K of the router, losses with its score")
  func routerOfItsOwn() throws {
    let use = try #require(
      try cases(
        Tool.run(
          "run", "--workload", "router:switch", "--capacity", "1", "--tokens", "128", "--layers",
          "2", "--steps", "1", "--output", "-", "--json"))[0]["capacity_use"] as? [String: Any])
    // Top-1: 128 assignments in each of two layers, room for 2 at each of 64 experts.
    #expect(use["slots"] as! Double == 256)
    #expect((use["kept"] as! Double) + (use["dropped"] as! Double) == 2 * 128)

    func loss(_ workload: String) throws -> Double {
      let balance =
        try cases(
          Tool.run(
            "run", "--workload", workload, "--losses", "--tokens", "128", "--layers", "1",
            "--steps",
            "1", "--output", "-", "--json"))[0]["balance"] as? [[String: Any]]
      return try #require(balance?[0]["auxiliary_global"] as? Double)
    }
    // Sigmoid scores choose the same experts and are flatter than softmax probabilities.
    #expect(try loss("router:sigmoid") < loss("router"))
  }

  @Test("a launch can be added to a run whose experts took more than T K")
  func addedLaunch() throws {
    let folder = try TemporaryFolder()
    let options = [
      "run", "--workload", "router:expert-choice:4", "--tokens", "64", "--layers", "1", "--steps",
      "2", "--warmup", "0", "--output", folder.path("ec"), "--json",
    ]
    let first = try cases(Command.run(Tool.path, options))
    let second = try cases(Command.run(Tool.path, options + ["--add-launch"]))
    #expect(first[0]["output_digest"] as? String == second[0]["output_digest"] as? String)
  }
}
