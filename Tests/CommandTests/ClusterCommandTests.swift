// SPDX-License-Identifier: Apache-2.0
// epsim: tests of `epsim calibrate` for a cluster, and of `epsim validate`.

import Foundation
import TestSupport
import Testing

@Suite("Calibrating a cluster and validating predictions", .serialized)
struct ClusterCommandTests {
  private static let tiny = ["--model", "tiny", "--quick"]
  private static let cases = [
    "--model", "tiny", "--workload", "zipf:1.2", "--layers", "2", "--tokens", "64", "--steps", "8",
    "--warmup", "1", "--output", "-",
  ]

  /// A rank alone needs no launcher.
  private func launch(
    _ ranks: Int, _ arguments: [String], in directory: URL = Command.repository
  ) throws -> Command {
    let launcher = [
      Command.repository.appending(path: "scripts/launch").path, "-n", "\(ranks)", "--timeout",
      "60", "--",
    ]
    return try Command.run(
      "/usr/bin/env", (ranks == 1 ? ["timeout", "60"] : launcher) + [Tool.path] + arguments,
      environment: ["EPSIM_HOME": Command.repository.path], in: directory)
  }

  private func expectRefusal(
    _ outcome: Command, _ part: String, location: SourceLocation = #_sourceLocation
  ) {
    #expect(
      outcome.exitCode == 2 && outcome.output == "", "\(outcome.error)", sourceLocation: location)
    #expect(
      outcome.error.split(separator: "\n").count == 1, "\(outcome.error)",
      sourceLocation: location)
    #expect(
      outcome.error.hasPrefix("epsim: ") && outcome.error.contains(part), "\(outcome.error)",
      sourceLocation: location)
  }

  /// The profile of so many ranks.
  private func calibrate(_ ranks: Int, in folder: TemporaryFolder) throws -> (String, Command) {
    let path = folder.path("ranks-\(ranks).yaml")
    let outcome = try launch(ranks, ["calibrate", "--output", path] + Self.tiny)
    try #require(outcome.exitCode == 0, "\(outcome.error)")
    return (path, outcome)
  }

  private func expectFigure(_ figure: Any?) throws {
    let figure = try #require(figure as? [String: Double])
    #expect(Set(figure.keys) == ["predicted_us", "measured_us"])
    #expect(figure.values.allSatisfy { $0.isFinite && $0 >= 0 })
  }

  @Test("what calibrate writes is what validate predicts from", arguments: [1, 2])
  func calibrateAndValidate(ranks: Int) throws {
    let folder = try TemporaryFolder()
    let (path, calibrated) = try calibrate(ranks, in: folder)
    let lines = calibrated.output.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines[0].hasPrefix(ranks == 1 ? "1 rank on 1 node" : "2 ranks on 1 node"))
    #expect(lines.contains { $0.hasPrefix("rank.peak.") })
    #expect(calibrated.output.contains("network.inside.segments.0 B.latency") == (ranks == 2))
    #expect(calibrated.output.contains("exchange inside nodes: ") == (ranks == 2))
    #expect(calibrated.error == "cluster profile: \(path)\n")
    let profile = try String(contentsOfFile: path, encoding: .utf8)
    #expect(
      profile.contains("schema: epsim-cluster/1") && profile.contains("measured: calibration"))

    let outcome = try launch(
      ranks,
      ["validate", "--cluster", path, "--placement", "contiguous,lpt", "--json"] + Self.cases)
    try #require(outcome.exitCode == 0, "\(outcome.error)")
    #expect(outcome.error == "")
    let json = try #require(try Tool.json(outcome) as? [String: Any])
    #expect(
      Set(json.keys) == [
        "schema", "profile", "cases", "mean_absolute_error", "pairs_in_order", "rank_correlation",
        "top_one_regret",
      ])
    #expect(json["schema"] as? String == "epsim-validation/1")
    #expect(json["profile"] as? String == "ranks-\(ranks)")
    let errors = try #require(json["mean_absolute_error"] as? [String: Double])
    #expect(Set(errors.keys) == ["step", "phases"])
    let pairs = try #require(json["pairs_in_order"] as? [Int])
    #expect(pairs.count == 2 && 0...pairs[1] ~= pairs[0] && pairs[1] <= 1)
    #expect(json["rank_correlation"] is NSNull == (pairs[1] == 0))
    #expect(try #require(json["top_one_regret"] as? Double) >= 0)
    let cases = try #require(json["cases"] as? [[String: Any]])
    #expect(cases.map { $0["name"] as? String } == ["contiguous", "lpt"])
    for entry in cases {
      #expect(
        Set(entry.keys) == ["name", "step", "measured_ci95", "phases", "binding"])
      try expectFigure(entry["step"])
      #expect(try #require(entry["measured_ci95"] as? [Double]).count == 2)
      let phases = try #require(entry["phases"] as? [String: Any])
      #expect(
        Set(phases.keys) == [
          "route", "plan", "pack", "dispatch", "group", "expert", "shared", "ungroup", "combine",
          "reduce",
        ])
      for figure in phases.values { try expectFigure(figure) }
      #expect((entry["binding"] as? String)?.hasSuffix("% of the step") == true)
    }
  }

  /// Everything that travels otherwise, on a profile that is measured on the way; sleeping experts
  /// need none measured.
  @Test("validate measures its ranks where no profile is given")
  func measuredOnTheWay() throws {
    let folder = try TemporaryFolder()
    let config = try folder.write(
      Data(
        """
        model: tiny
        workload: zipf:1.2
        layers: 2
        tokens: 64
        steps: 8
        warmup: 1
        compute: emulated
        expert-rate: 20G
        cases:
          - dedup: none
          - {dedup: rank, transport: p2p}
          - {combine: pre-reduced, dedup: node}
          - chunks: 2
          - delay: "1:200"
        """.utf8), "cases.yaml")
    let output = folder.path("record")
    let outcome = try launch(
      3,
      ["validate", "--quick", "--config", config, "--output", output])
    try #require(outcome.exitCode == 0, "\(outcome.error)")
    let lines = outcome.output.split(separator: "\n")
    #expect(lines[0].hasPrefix("Predicted from profile here: 3 ranks on 1 node"))
    #expect(
      lines.filter { $0.contains(" to ") && $0.hasSuffix(" %") }.count == 5, "\(outcome.output)")
    #expect(lines.contains { $0.hasPrefix("mean absolute error: step ") })
    // Experts that sleep need no core.
    #expect(!outcome.output.contains("functional only"))
    #expect(lines.allSatisfy { $0.count <= 100 }, "\(outcome.output)")
    #expect(
      outcome.error == "record: \(output)/record.json\nprofile: \(output)/cluster.yaml\n")
    #expect(FileManager.default.fileExists(atPath: output + "/record.json"))
    // The kept profile predicts other cases.
    let again = try launch(
      1,
      ["project", "--cluster", output + "/cluster.yaml", "--ranks", "3", "--workload", "uniform"])
    #expect(again.exitCode == 0, "\(again.error)")
  }

  @Test("a rank alone needs no others to be predicted")
  func alone() throws {
    let outcome = try launch(
      1,
      ["validate", "--quick", "--compute", "emulated", "--expert-rate", "20G"] + Self.cases)
    #expect(outcome.exitCode == 0 && outcome.error == "", "\(outcome.error)")
    #expect(outcome.output.hasPrefix("Predicted from profile here: 1 rank on 1 node"))
  }

  @Test("what cannot be calibrated is refused, and nothing is left behind")
  func calibrationRefusals() throws {
    let folder = try TemporaryFolder()
    func refuse(_ ranks: Int, _ arguments: String..., part: String) throws {
      expectRefusal(
        try launch(ranks, ["calibrate"] + Self.tiny + arguments, in: folder.url), part)
    }
    let cores = ProcessInfo.processInfo.activeProcessorCount
    try refuse(cores + 1, part: "there are more ranks than cores")
    try refuse(1, "--output", "/no such folder/x", part: "there is no folder /no such folder")
    try refuse(2, "--line-rate", "25", part: "--line-rate is 25 without a unit")
    try refuse(1, "--line-rate", "25 Gbit/s", part: "--line-rate 25 Gbit/s has no effect on 1 node")
    try refuse(1, "--transport", "padded", part: "--transport padded cannot be projected")
    try refuse(1, "--transport", "pigeons", part: "--transport pigeons is unknown")
    try refuse(1, "--model", "none", part: "model none is unknown")
    try refuse(1, "--dtype", "int8", part: "--dtype int8 is unknown")
    try refuse(1, "--hidden", "16", part: "--hidden has no effect without --exchange")
    try refuse(1, "--json", part: "--json has no effect without --exchange")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == [])
  }

  @Test("what cannot be predicted is refused before it is run, and nothing is left behind")
  func validationRefusals() throws {
    let folder = try TemporaryFolder()
    let (path, _) = try calibrate(1, in: folder)
    func refuse(_ ranks: Int, _ arguments: String..., part: String) throws {
      expectRefusal(
        try launch(
          ranks, ["validate"] + Self.cases + ["--output", "record"] + arguments,
          in: folder.url), part)
    }
    try refuse(1, "--cluster", path, "--quick", part: "--quick with --cluster")
    try refuse(2, "--cluster", "nowhere", part: "cluster nowhere is unknown, profiles are ")
    try refuse(2, "--cluster", path, part: "2 ranks on a node of cluster ranks-1 are not accepted")
    try refuse(
      2, "--cluster", "dgx-h100", "--dtype", "f32", part: "dgx-h100 has no rank.peak.f32")
    try refuse(1, "--tokens", "8,16", part: "--tokens of several sizes cannot be predicted")
    try refuse(1, "--workload", "router", part: "a live router cannot be computed")
    try refuse(1, "--transport", "padded", part: "--transport padded cannot be projected")
    try refuse(1, "--jitter", "3", part: "--jitter 3.0 cannot be projected")
    try refuse(1, "--placement", "random:x", part: "random:x")
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["ranks-1.yaml"])
  }
}
