// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the files that `epsim place` and `epsim rebalance` read and write.

import Foundation
import TestSupport
import Testing

@Suite("Files of placements")
struct PlaceFilesTests {
  private static let workload = [
    "--model", "deepseek-v2-lite", "--layers", "1", "--workload", "zipf:1.1", "--tokens", "64",
  ]

  private func place(_ arguments: [String]) throws -> Command {
    try Command.run("/usr/bin/env", ["timeout", "120", Tool.path, "place"] + arguments)
  }

  private func temporaryFolder() throws -> String {
    let folder = FileManager.default.temporaryDirectory.appending(path: "epsim-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder.path
  }

  @Test(
    "what cannot be written, read or counted is refused in one sentence",
    arguments: [
      (["--write", "/dev/null", "--format", "own"], "--write /dev/null", "device stands there"),
      (["--write", "/no/such/plan.json"], "there is no folder /no/such", ""),
      (["--write", "plan.json", "--format", "csv"], "--format csv", "end in .csv"),
      (["--write", "plan.npy", "--format", "sglang"], "--format sglang", "end in .json"),
      (["--write", "plan.txt", "--format", "csv"], "--format csv", "end in .csv"),
      (["--placement", "plan.sglang"], "with a slash, as ./plan.sglang", ""),
      (["--ranks", "65536"], "--ranks 65536", "accepted are at most 11585 ranks"),
    ])
  func refusals(arguments: [String], first: String, second: String) throws {
    let outcome = try place(Self.workload + ["--placement", "lpt"] + arguments)
    #expect(outcome.exitCode == 2 && outcome.output.isEmpty)
    #expect(outcome.error.contains(first), "\(outcome.error)")
    #expect(second.isEmpty || outcome.error.contains(second), "\(outcome.error)")
    #expect(outcome.error.split(separator: "\n").count == 1)
  }

  @Test("a load to judge on must have the experts of the load that is fitted")
  func judgedLoad() throws {
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try "3,1,2,2\n".write(toFile: folder + "/four.csv", atomically: true, encoding: .utf8)
    try "3,1\n".write(toFile: folder + "/two.csv", atomically: true, encoding: .utf8)
    let outcome = try place([
      "--ranks", "2", "--load", folder + "/four.csv", "--judge", folder + "/two.csv",
    ])
    #expect(outcome.exitCode == 2)
    #expect(outcome.error.contains("--judge \(folder)/two.csv has 2 experts"), "\(outcome.error)")
  }

  @Test("a course tells model, workload and ranks, and removes the record of an earlier move")
  func courseFolder() throws {
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let arguments = [
      "rebalance", "--to", "lpt", "--workload", "zipf:1.1", "--layers", "1", "--steps", "2",
      "--tokens", "16", "--output", folder,
    ]
    let launch = ["-n", "2", "--timeout", "120", "--", Tool.path]
    var outcome = try Command.run("scripts/launch", launch + arguments)
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    #expect(FileManager.default.fileExists(atPath: folder + "/rebalance.json"))
    outcome = try Command.run(
      "scripts/launch", launch + arguments + ["--policy", "never,interval:1"])
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    #expect(FileManager.default.fileExists(atPath: folder + "/course.json"))
    #expect(!FileManager.default.fileExists(atPath: folder + "/rebalance.json"))
    let lines = outcome.output.split(separator: "\n")
    #expect(lines[0].hasPrefix("tiny: hidden") && outcome.output.contains("2 ranks on 1 node"))
  }
}
