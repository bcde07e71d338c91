// SPDX-License-Identifier: Apache-2.0
// epsim: tests of `epsim place` for ranks that are not all alike.

import Foundation
import TestSupport
import Testing

@Suite("Place on unequal ranks")
struct PlaceRanksTests {
  /// Two layers of 12 experts.
  private let load = "Tests/Fixtures/eplb-oracle/readme_weight.csv"

  private func place(_ arguments: String...) throws -> Command {
    try Command.run(Tool.path, ["place", "--load", load, "--ranks", "4"] + arguments)
  }

  private func slots(_ outcome: Command) throws -> [[Int]] {
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    let record = try #require(try Tool.json(outcome) as? [String: Any])
    return try #require(record["physical_to_logical"] as? [[Int]])
  }

  @Test("slots, speeds and the placement of the moment reach the strategy")
  func options() throws {
    // The only heavy rank has one slot.
    let rows = try slots(place("--placement", "lpt", "--slots-per-rank", "1,0,5,6", "--json"))
    #expect(rows[0].count == 12 && rows[0][0] == 10)
    let replicas = try slots(
      place("--placement", "eplb", "--slots-per-rank", "3,0,6,6", "--json"))
    #expect(replicas[0].count == 15)
    let even = try slots(place("--placement", "lpt", "--json"))
    let uneven = try slots(place("--placement", "lpt", "--rank-speeds", "1,1,0.5,1", "--json"))
    #expect(even != uneven)
    let text = try place("--placement", "lpt", "--rank-speeds", "1,1,0.5,1")
    #expect(text.output.contains("by speed: load / speed"), "\(text.output)")

    let folder = try TemporaryFolder()
    let path = folder.path("now.json")
    _ = try slots(place("--placement", "contiguous", "--write", path, "--json"))
    let moved = try slots(place("--placement", "swap", "--current", path, "--json"))
    let stayed = zip(moved[0], 0...).count { $0 == $1 }
    #expect(stayed >= 4 && stayed < 12)
  }

  @Test(
    "what does not fit is refused in one sentence",
    arguments: [
      (["--slots-per-rank", "3,3,3"], "3 numbers, needed is one for each of 4 ranks"),
      (["--slots-per-rank", "3,3,x,3"], "\"x\", accepted are whole numbers"),
      (["--slots-per-rank", "3,3,-3,9"], "\"-3\""),
      (["--slots-per-rank", "3,3,3,99999999999999999999"], "\"99999999999999999999\""),
      (["--slots-per-rank", "3,3,3,2"], "hold 11 slots for 12 experts"),
      (["--placement", "eplb+8", "--slots-per-rank", "3,3,3,4"], "needed are 20"),
      (["--placement", "lpt", "--slots-per-rank", "3,3,3,4"], "makes no replicas"),
      (["--placement", "lpt", "--rank-speeds", "1,1,1"], "3 numbers"),
      (["--placement", "lpt", "--rank-speeds", "1,1,1,0"], "\"0\", accepted are numbers"),
      (["--placement", "lpt", "--rank-speeds", "1,1,1,nan"], "\"nan\""),
      (["--placement", "eplb", "--rank-speeds", "1,1,1,1"], "does not look at speeds"),
      (["--placement", "eplb", "--current", "now.json"], "does not start from another"),
      (["--placement", "swap"], "--current of place"),
      (["--placement", "swap", "--current", "missing.json"], "missing.json"),
      (["--placement", "swap", "--current", "LICENSE"], "LICENSE"),
      (["--placement", "window"], "--workload"),
      (["--placement", "hot-tier:13"], "0 to 12"),
      (["--placement", "eplb-distinct+40"], "13 slots"),
    ])
  func refusals(arguments: [String], part: String) throws {
    let outcome = try Command.run(
      Tool.path, ["place", "--load", load, "--ranks", "4"] + arguments)
    #expect(outcome.exitCode == 2, "\(outcome.error)")
    #expect(outcome.output == "")
    #expect(outcome.error.split(separator: "\n").count == 1, "\(outcome.error)")
    #expect(outcome.error.contains(part), "\(outcome.error)")
  }
}
