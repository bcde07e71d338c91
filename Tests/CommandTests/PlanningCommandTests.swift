// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the commands that run nothing: place, traffic, trace, model, doctor, help.

import Foundation
import TestSupport
import Testing

@Suite("Planning commands", .serialized)
struct PlanningCommandTests {
  private func fixtures(_ path: String) -> String { "Tests/Fixtures/\(path)" }

  private func json(_ arguments: String...) throws -> Any {
    let outcome = try Command.run(Tool.path, arguments)
    #expect(outcome.exitCode == 0, "\(arguments): \(outcome.error)")
    return try Tool.json(outcome)
  }

  @Test("traffic reproduces every published counter")
  func traffic() throws {
    let oracle = try #require(
      try JSONSerialization.jsonObject(
        with: Data(
          contentsOf: Command.repository.appending(path: fixtures("traffic/traffic.json"))))
        as? [[String: Any]])
    for entry in oracle {
      let domain = try #require(entry["dataset"] as? String)
      let trace =
        domain == "law"
        ? Tool.lawTrace : fixtures("traces/deepseek-v2-lite-intent.safetensors")
      let placement =
        entry["placement"] as? String == "contiguous"
        ? "contiguous" : fixtures("eplb-oracle/esft_\(domain)_ep8_r0.phy2log.csv")
      let printed = try #require(
        try json(
          "traffic", "--model", "tiny", "--workload", trace, "--assignment", "round-robin",
          "--ranks", "\(entry["gpus"]!)", "--nodes", "\(entry["nodes"]!)", "--placement",
          placement, "--json") as? [[String: Any]])
      #expect(printed.count == 1)
      for (key, value) in entry where key != "placement" && key != "source" {
        if key == "per_layer" {
          let layers = try #require(printed[0][key] as? [[String: Any]])
          let expected = try #require(value as? [[String: Any]])
          #expect(layers.count == expected.count)
          for (layer, oracle) in zip(layers, expected) {
            for (field, number) in oracle {
              expectEqual(layer[field], number, "\(domain) \(key) \(field)")
            }
          }
        } else {
          expectEqual(printed[0][key], value, "\(domain) \(key)")
        }
      }
    }
  }

  /// Integers exactly, means to the six decimals of the oracle.
  private func expectEqual(_ printed: Any?, _ oracle: Any, _ place: String) {
    if let number = oracle as? Double, let own = printed as? Double {
      #expect(abs(own - number) < 1e-6, "\(place): \(own), oracle \(number)")
    } else {
      #expect("\(printed ?? "nothing")" == "\(oracle)", "\(place)")
    }
  }

  @Test("place reproduces every published EPLB map and balancedness")
  func place() throws {
    let oracle = try #require(
      try JSONSerialization.jsonObject(
        with: Data(
          contentsOf: Command.repository.appending(path: fixtures("eplb-oracle/oracle.json"))))
        as? [[String: Any]])
    #expect(oracle.count == 12)
    for entry in oracle {
      func number(_ key: String) throws -> Int { try #require(entry[key] as? Int) }
      let name = try #require(entry["case"] as? String)
      let input = try #require(entry["input"] as? String).replacingOccurrences(
        of: "../loads/", with: "../loads/")
      let extra = try number("num_replicas") - number("experts")
      let record = try #require(
        try json(
          "place", "--load", fixtures("eplb-oracle/" + input), "--placement", "eplb+\(extra)",
          "--ranks", "\(number("num_gpus"))", "--nodes", "\(number("num_nodes"))", "--groups",
          "\(number("num_groups"))", "--json") as? [String: Any])
      let map = try #require(record["physical_to_logical"] as? [[Int]])
      let csv = try String(
        contentsOf: Command.repository.appending(
          path: fixtures("eplb-oracle/\(name).phy2log.csv")), encoding: .utf8)
      let expected = csv.split(separator: "\n").map { $0.split(separator: ",").map { Int($0)! } }
      #expect(map == expected, "\(name)")
      let balancedness = try #require(record["balancedness"] as? [Double])
      let published = try #require(entry["per_layer"] as? [Double])
      for (own, oracle) in zip(balancedness, published) {
        #expect(abs(own - oracle) < 1e-6, "\(name)")
      }
    }
  }

  @Test("a placement that was written is read back by traffic and run")
  func writtenPlacement() throws {
    let folder = try TemporaryFolder()
    for file in ["plan.json", "plan.csv"] {
      let path = folder.path(file)
      let placed = try Tool.run(
        "place", "--model", "tiny", "--workload", Tool.lawTrace, "--placement", "eplb+8",
        "--ranks", "4", "--write", path)
      #expect(placed.exitCode == 0, "\(placed.error)")
      func counters(_ placement: String) throws -> [String: Any] {
        let records = try json(
          "traffic", "--model", "tiny", "--workload", Tool.lawTrace, "--fit", "first-half",
          "--ranks", "4", "--placement", placement, "--json")
        return try #require((records as? [[String: Any]])?.first)
      }
      #expect(
        try counters(path)["sum_local"] as? Int == counters("eplb+8")["sum_local"] as? Int)
    }
    let wrongRanks = try Tool.run(
      "traffic", "--workload", Tool.lawTrace, "--ranks", "8", "--placement",
      folder.path("plan.json"))
    #expect(wrongRanks.exitCode == 2 && wrongRanks.error.contains("4 ranks"))
  }

  @Test("trace inspect, model and doctor print figures")
  func figures() throws {
    let trace = try #require(
      try json("trace", "inspect", Tool.lawTrace, "--json") as? [String: Any])
    #expect(trace["tokens"] as? Int == 8327 && trace["sequences"] as? Int == 33)
    let model = try #require(
      try json("model", "mixtral-8x7b", "--json", "--ranks", "8") as? [String: Any])
    #expect(model["total"] as? Int == 46_702_792_704)
    #expect(model["experts_per_rank"] as? Int == 1)
    #expect(try Tool.run("model").output.contains("deepseek-v3"))
    let doctor = try #require(try json("doctor", "--json") as? [[String: Any]])
    #expect(doctor.contains { $0["what"] as? String == "kernels" })
  }

  @Test(
    "help explains every command by example, on one or several ranks",
    arguments: [
      "", "run", "compare", "place", "traffic", "trace", "trace inspect", "model", "doctor",
    ])
  func help(command: String) throws {
    let words = command.split(separator: " ").map(String.init)
    let outcome = try Command.run(Tool.path, words + ["--help"])
    #expect(outcome.exitCode == 0 && outcome.error == "")
    #expect(outcome.output.contains("USAGE"))
    #expect(words == ["trace"] || outcome.output.contains("epsim \(command)"))
    if command == "run" {
      let ranks = try Tool.launch(2, "run", "--help")
      #expect(ranks.exitCode == 0 && ranks.output == outcome.output)
    }
  }
}
