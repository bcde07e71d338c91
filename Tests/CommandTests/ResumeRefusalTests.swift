// SPDX-License-Identifier: Apache-2.0
// epsim: tests of what cannot be resumed or added to: one sentence, and the files stay as they are.

import Foundation
import TestSupport
import Testing

@Suite("Resuming is refused", .serialized)
struct ResumeRefusalTests {
  private static let options = [
    "compare", "--model", "tiny", "--layers", "1-2", "--placement", "contiguous,round-robin",
    "--computed-ranks", "none", "--tokens", "16", "--steps", "3", "--warmup", "0",
  ]

  /// A finished run of one rank.
  private final class Finished {
    let folder: TemporaryFolder
    let files: [String: Data]

    init() throws {
      let folder = try TemporaryFolder()
      let outcome = try Command.run(
        Tool.path, ResumeRefusalTests.options + ["--output", folder.url.path])
      try #require(outcome.exitCode == 0, "\(outcome.error)")
      self.folder = folder
      files = try Self.contents(of: folder)
    }

    static func contents(of folder: TemporaryFolder) throws -> [String: Data] {
      let names = try FileManager.default.contentsOfDirectory(atPath: folder.url.path)
      return try Dictionary(
        uniqueKeysWithValues: names.map {
          ($0, try Data(contentsOf: folder.url.appending(path: $0)))
        })
    }

    /// The samples, taken apart.
    func samples() throws -> SamplesFile {
      try SamplesFile(path: folder.path("samples.safetensors"))
    }
  }

  /// One sentence, exit code 2, and every file as before.
  private func expectRefusal(
    _ more: [String], _ part: String, in folder: TemporaryFolder,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let before = try Finished.contents(of: folder)
    let outcome = try Command.run(
      Tool.path, Self.options + ["--output", folder.url.path] + more)
    #expect(outcome.exitCode == 2, "\(more): \(outcome.error)", sourceLocation: sourceLocation)
    #expect(outcome.output == "", sourceLocation: sourceLocation)
    #expect(
      outcome.error.hasPrefix("epsim: ") && outcome.error.split(separator: "\n").count == 1
        && outcome.error.contains(part), "\(outcome.error)", sourceLocation: sourceLocation)
    #expect(try Finished.contents(of: folder) == before, sourceLocation: sourceLocation)
  }

  @Test("where there is nothing, or nothing is left, or two things are asked for")
  func options() throws {
    let empty = try TemporaryFolder()
    let finished = try Finished()
    for option in ["--resume", "--add-launch"] {
      try expectRefusal([option], "\(option) finds no ", in: empty)
      try expectRefusal([option, "--output", "-"], "--output -", in: empty)
      try expectRefusal(
        [option, "--steps", "4"], "--steps was 3 and is 4", in: finished.folder)
    }
    try expectRefusal(["--resume", "--add-launch"], "one is accepted", in: finished.folder)
    try expectRefusal(["--resume"], "all 3 rounds are in", in: finished.folder)
  }

  @Test("another configuration, by what differs")
  func configuration() throws {
    let finished = try Finished()
    let differences = [
      (["--model", "deepseek-v2-lite", "--layers", "1-2"], "--model was tiny and is deepseek"),
      (["--layers", "1"], "--layers was [1, 2] and is [1]"),
      (["--weights", "per-layer"], "--weights was shared and is per-layer"),
      (["--workload", "zipf:1.1"], "--workload was router and is zipf:1.1"),
      (["--tokens", "17"], "--tokens was 16 and is 17"),
      (["--assignment", "round-robin"], "--assignment was block and is round-robin"),
      (["--warmup", "1"], "--warmup was 0 and is 1"),
      (["--seed", "2"], "--seed was 1 and is 2"),
      (["--placement", "contiguous"], "the number of cases was 2 and is 1"),
      (["--placement", "contiguous,random"], "case 2 was placement=round-robin and is placement="),
      (["--wire", "f32"], "and is wire=f32"),
      (["--timing", "barrier"], "and is timing=barrier"),
      (["--delay", "0:5"], "delay=0:5"),
    ]
    for (more, part) in differences {
      try expectRefusal(["--add-launch"] + more, part, in: finished.folder)
    }
  }

  @Test("an unfinished run gets no further launch")
  func unfinished() throws {
    let run = try InterruptedRun(
      ["--layers", "2", "--tokens", "32", "--warmup", "0"], ["--delay", "0:20000"], steps: 100)
    let running = try run.startAndMeasure(ranks: 1)
    running.send(SIGTERM)
    _ = try running.end()
    let outcome = try Command.run(
      "scripts/launch", ["-n", "1", "--"] + run.command(["--add-launch"]))
    #expect(outcome.exitCode == 2)
    #expect(outcome.error.contains("--resume finishes it"), "\(outcome.error)")
    let ranks = try Command.run("scripts/launch", ["-n", "2", "--"] + run.command(["--resume"]))
    #expect(ranks.exitCode == 2)
    #expect(ranks.error.contains("the number of ranks was 1 and is 2"), "\(ranks.error)")
  }

  @Test("samples that are cut anywhere")
  func cut() throws {
    let finished = try Finished()
    let whole = try #require(finished.files["samples.safetensors"])
    let lengths = [0, 1, 7, 8, 9, 100, whole.count - 1] + (1...5).map { $0 * whole.count / 6 }
    for length in lengths {
      _ = try finished.folder.write(whole.prefix(length), "samples.safetensors")
      try expectRefusal(["--add-launch"], "samples.safetensors", in: finished.folder)
    }
    _ = try finished.folder.write(Data("{}".utf8), "samples.safetensors")
    try expectRefusal(["--resume"], "samples.safetensors", in: finished.folder)
  }

  @Test("values, groups and numbers that cannot be")
  func altered() throws {
    let finished = try Finished()
    func expectRefusal(_ change: (inout SamplesFile) -> Void) throws {
      var file = try finished.samples()
      change(&file)
      let before = try #require(finished.files["samples.safetensors"])
      _ = try finished.folder.write(try file.encoded(), "samples.safetensors")
      try self.expectRefusal(["--add-launch"], "samples.safetensors", in: finished.folder)
      _ = try finished.folder.write(before, "samples.safetensors")
    }
    // All numbers at the ends of what 64 bits hold.
    for byte: UInt8 in [0x7F, 0x80] {
      try expectRefusal { $0.data = Data(repeating: byte, count: $0.data.count) }
    }
    // Steps that take no time: ratios are taken of them.
    try expectRefusal { $0.data = Data(repeating: 0, count: $0.data.count) }
    // One number anywhere: stamps, errors and counts of rows alike.
    let count = try finished.samples().data.count / 8
    for index in [0, 3, count / 3, count / 2, count - 1] {
      try expectRefusal { file in
        let start = file.data.startIndex + 8 * index
        file.data.replaceSubrange(start..<start + 8, with: Data([0, 0, 0, 0, 0, 0, 0, 0x7F]))
      }
    }
    func altered(_ list: String, _ key: String, _ value: Any) -> (inout SamplesFile) -> Void {
      { file in
        var entries = file.metadata[list] as? [[String: Any]] ?? []
        #expect(entries[0][key] != nil, "\(key)")
        entries[0][key] = value
        file.metadata[list] = entries
      }
    }
    for value: Any in [4, -3, Int.max, 1e300] {
      try expectRefusal(altered("groups", "rounds", value))
    }
    try expectRefusal(altered("groups", "hosts", ["a", "b"]))
    try expectRefusal(altered("cases", "group_steps", [2]))
    try expectRefusal(altered("cases", "group_steps", [Int.max, Int.max]))
    for (key, value) in [
      ("block", 1), ("block", .max), ("case_index", 1), ("case_index", .max), ("layers", 1),
      ("layers", .max),
    ] { try expectRefusal(altered("cases", key, value)) }
  }

  @Test("rows that the choices did not send, and samples of an older epsim")
  func volumes() throws {
    let finished = try Finished()
    var file = try finished.samples()
    let tensor = try #require(file.header["case.0.block.0.volumes"] as? [String: Any])
    let offset = try #require((tensor["data_offsets"] as? [Int])?.first)
    // One row more left its rank in the first step.
    file.data[file.data.startIndex + offset] += 1
    _ = try finished.folder.write(try file.encoded(), "samples.safetensors")
    try expectRefusal(["--add-launch"], "does not fit this run", in: finished.folder)

    file = try finished.samples()
    file.metadata["schema"] = "epsim-samples/1"
    _ = try finished.folder.write(try file.encoded(), "samples.safetensors")
    try expectRefusal(
      ["--add-launch"], "samples of an older one must be measured again", in: finished.folder)
  }
}
