// SPDX-License-Identifier: Apache-2.0
// epsim: tests of lists of sizes, as a person uses them.

import Foundation
import TestSupport
import Testing

@Suite("Sizes of steps in a comparison", .serialized)
struct SizesCommandTests {
  private struct Record: Decodable {
    struct Workload: Decodable {
      let tokensPerStep: Int
      let stepTokens: [Int]
      let measuredSteps: Int
    }
    struct Samples: Decodable {
      let median: Double
      let samples: [Double]
    }
    struct Ratio: Decodable { let median: Double }
    struct Size: Decodable {
      let tokens: Int
      let rowsPerPeer: Double
      let stepUs: Samples
      let exchangeUs: Samples
      let ratioToFirst: Ratio?
      let bytes: [String: [String: Double]]
      let gbPerS: [String: Double]
    }
    struct Case: Decodable {
      let outputDigest: String
      let referenceError: Double?
      let stepUs: Samples
      let sizes: [Size]?
    }
    let complete: Bool
    let workload: Workload
    let cases: [Case]

    init(_ json: Data) throws {
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      self = try decoder.decode(Record.self, from: json)
    }
  }

  private static let small = ["compare", "--layers", "1-2", "--warmup", "1"]

  private func launch(_ more: [String]) throws -> Command {
    let outcome = try Command.run(
      "scripts/launch",
      ["-n", "2", "--timeout", "60", "--", Tool.path] + Self.small + more)
    try #require(outcome.exitCode == 0, "\(outcome.error)")
    return outcome
  }

  @Test("every size has its figures, for every way of an exchange")
  func record() throws {
    let outcome = try launch([
      "--workload", "uniform", "--compute", "none", "--tokens", "32,5,64", "--steps", "2",
      "--dedup", "none,rank,node", "--transport", "alltoallv,p2p,shm+p2p", "--output", "-",
      "--json",
    ])
    let record = try Record(Data(outcome.output.utf8))
    #expect(record.workload.tokensPerStep == 64 && record.workload.stepTokens == [32, 5, 64])
    #expect(record.workload.measuredSteps == 6)
    #expect(record.cases.count == 9)
    // All of them compute the same, whatever the sizes before were.
    #expect(Set(record.cases.map(\.outputDigest)).count == 1)
    for (index, entry) in record.cases.enumerated() {
      let sizes = try #require(entry.sizes)
      #expect(sizes.map(\.tokens) == [32, 5, 64])
      // tiny has top-6; one layer's assignments over 2 x 2 pairs.
      #expect(sizes.map(\.rowsPerPeer) == [48, 7.5, 96])
      #expect(sizes.map(\.stepUs.samples.count) == [2, 2, 2])
      #expect(sizes.allSatisfy { $0.exchangeUs.median > 0 && $0.gbPerS["logical"]! > 0 })
      #expect(sizes.allSatisfy { ($0.ratioToFirst == nil) == (index == 0) })
      // Steps take the sizes in turn.
      #expect(
        entry.stepUs.samples.indices.allSatisfy {
          sizes[$0 % 3].stepUs.samples[$0 / 3] == entry.stepUs.samples[$0]
        })
      let bytes = sizes.map { $0.bytes["logical"]!["combine"]! }
      // 64 values in f32 return for each of 6 choices in 2 layers.
      let tokenBytes = 6 * 2 * 256.0
      #expect(bytes == [32 * tokenBytes, 5 * tokenBytes, 64 * tokenBytes])
    }
  }

  @Test("the baselines, chunks, a live router and real experts take steps of unequal size")
  func results() throws {
    let options = [
      "--tokens-per-rank", "3,16", "--steps", "2", "--check", "--output", "-", "--json",
    ]
    let outcome = try launch(
      options + ["--transport", "alltoallv,p2p,shm+p2p,padded,allgather", "--dtype", "f32"])
    let cases = try Record(Data(outcome.output.utf8)).cases
    #expect(cases.count == 5)
    #expect(Set(cases.prefix(4).map(\.outputDigest)).count == 1)
    #expect(try cases.allSatisfy { try #require($0.referenceError) < 1e-5 })
    let trace = try launch([
      "--model", "deepseek-v2-lite", "--layers", "1", "--workload", Tool.lawTrace, "--compute",
      "none", "--assignment", "sequence", "--tokens", "64,16", "--steps", "1", "--output", "-",
      "--json",
    ])
    #expect(try Record(Data(trace.output.utf8)).cases[0].sizes?.map(\.tokens) == [64, 16])
  }

  @Test("a finished run is added to, one of other sizes is not")
  func addition() throws {
    let folder = try TemporaryFolder()
    let options = [
      "--compute", "none", "--transport", "alltoallv,p2p", "--steps", "8", "--output",
      folder.url.path,
    ]
    let first = try launch(options + ["--tokens", "8,32"])
    #expect(first.output.contains("8, 32 tokens a step by block, 8 steps of each after 1"))
    #expect(first.output.contains("rows per peer") && first.output.contains("GB/s"))
    #expect(first.output.contains("t every size") || first.output.contains("Up to 4 rows per peer"))
    #expect(!first.output.contains("computed from the workload"))
    _ = try launch(options + ["--tokens", "8,32", "--add-launch"])
    let record = try Record(Data(contentsOf: folder.url.appending(path: "record.json")))
    #expect(record.complete)
    for entry in record.cases {
      #expect(entry.sizes?.map(\.tokens) == [8, 32])
      #expect(entry.sizes?.map(\.stepUs.samples.count) == [16, 16])
    }
    for (sizes, part) in [
      ("8,16", "--tokens was 8,32 and is 8,16"), ("32", "--tokens was 8,32 and is 32"),
      ("32,8", "--tokens was 8,32 and is 32,8"),
    ] {
      let outcome = try Command.run(
        "scripts/launch",
        ["-n", "2", "--timeout", "60", "--", Tool.path] + Self.small + options
          + ["--tokens", sizes, "--add-launch"])
      #expect(outcome.exitCode == 2 && outcome.error.contains(part), "\(outcome.error)")
    }
  }

  @Test("a run that ended within a round of sizes goes on with the next")
  func resumption() throws {
    let run = try InterruptedRun(
      ["--layers", "1", "--compute", "none", "--tokens", "8,32,16", "--warmup", "1"],
      ["--delay", "1:60000"], steps: 3)
    let running = try run.startAndMeasure()
    running.send(SIGTERM)
    _ = try running.end()
    let resumed = try run.resume()
    #expect(resumed.exitCode == 0, "\(resumed.error)")
    let record = try Record(Data(contentsOf: URL(filePath: run.recordPath)))
    #expect(record.complete)
    for entry in record.cases {
      #expect(entry.stepUs.samples.count == 9)
      #expect(entry.sizes?.map(\.tokens) == [8, 32, 16])
      #expect(entry.sizes?.map(\.stepUs.samples.count) == [3, 3, 3])
    }
  }

  @Test(
    "what has no meaning with several sizes is refused in one sentence",
    arguments: [
      ("run --tokens 16,64", "run takes one size, --tokens 16,64 has 2; use epsim compare"),
      ("run --tokens-per-rank 1,2,3", "run takes one size, --tokens-per-rank 1,2,3 has 3"),
      ("compare --tokens 16,64 --capacity 1.25", "--tokens 16,64 with --capacity 1.25: a capacity"),
      (
        "compare --tokens 16,64 --capacity none,2 --capacity-scope global",
        "--tokens 16,64 with --capacity 2.0"
      ),
      ("compare --tokens 16,64 --bias-update 0.001", "--tokens 16,64 with --bias-update 0.001: a"),
      ("compare --tokens 16,64 --losses", "--tokens 16,64 with --losses: losses"),
      ("compare --tokens 16,16", "--tokens 16,16 has 16 twice"),
      ("compare --tokens 16,", "--tokens 16,: \"\", accepted are 1 to 1048576"),
      ("compare --tokens 16,0", "--tokens 16,0: \"0\", accepted are 1 to 1048576"),
      ("compare --tokens 16,many", "\"many\", accepted"),
      ("compare --tokens 16 --tokens-per-rank 8,16", "one is accepted"),
      ("compare --tokens-per-rank 1,99999999999", "\"99999999999\", accepted"),
      ("compare --tokens \((1...65).map(String.init).joined(separator: ","))", "has 65 sizes"),
    ])
  func refusals(words: String, part: String) throws {
    let outcome = try Command.run(Tool.path, words.split(separator: " ").map(String.init))
    #expect(outcome.exitCode == 2, "\(outcome.error)")
    #expect(outcome.output == "" && outcome.error.hasPrefix("epsim: "))
    #expect(
      outcome.error.split(separator: "\n").count == 1 && outcome.error.contains(part),
      "\(outcome.error)")
  }
}
