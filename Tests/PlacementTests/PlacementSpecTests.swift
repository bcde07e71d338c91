// SPDX-License-Identifier: Apache-2.0
// epsim: tests of how placements are written.

import MoE
import Placement
import Testing

@Suite struct PlacementSpecTests {
  @Test func namesExtrasAndParametersAreTold() throws {
    func rule(_ text: String) throws -> PlacementSpec.Rule { try PlacementSpec(parsing: text).rule }
    #expect(try rule("contiguous") == .contiguous)
    #expect(try rule("round-robin") == .roundRobin)
    #expect(try rule("random") == .random(seed: 1))
    #expect(try rule("random:7") == .random(seed: 7))
    #expect(try rule("lpt") == .lpt)
    #expect(try rule("eplb") == .eplb(.automatic))
    #expect(try rule("eplb:global") == .eplb(.global))
    #expect(try rule("eplb+8:hierarchical") == .eplb(.hierarchical))
    #expect(try rule("maps/a") == .file(path: "maps/a"))
    #expect(try rule("a.csv") == .file(path: "a.csv"))
    #expect(try rule("a.json") == .file(path: "a.json"))
    #expect(try PlacementSpec(parsing: "eplb+8:hierarchical").extraSlots == 8)
    #expect(try PlacementSpec(parsing: "eplb+0").extraSlots == 0)
    #expect(try PlacementSpec(parsing: "eplb+8").description == "eplb+8")
  }

  @Test func onlyFittedStrategiesNeedALoad() throws {
    func needsLoad(_ text: String) throws -> Bool { try PlacementSpec(parsing: text).needsLoad }
    #expect(try ["lpt", "eplb", "eplb+8"].allSatisfy(needsLoad))
    #expect(
      try !["contiguous", "round-robin", "random", "a.json"].contains(where: needsLoad))
  }

  @Test(arguments: ["", "epbl", "EPLB", "eplb 8", "+8", ":1", "greedy:1"])
  func unknownNamesAreAnsweredWithWhatIsAccepted(text: String) {
    expectInputError("\"\(text)\" is unknown", "contiguous, round-robin", "eplb[+EXTRA]") {
      _ = try PlacementSpec(parsing: text)
    }
  }

  @Test func wrongExtrasAndParametersAreNamed() {
    func expect(_ text: String, _ words: String) {
      expectInputError(text, words) { _ = try PlacementSpec(parsing: text) }
    }
    expect("lpt+8", "no replicas")
    expect("contiguous+0", "no replicas")
    expect("random+8:1", "no replicas")
    expect("lpt:1", "nothing after a colon")
    expect("contiguous:", "nothing after a colon")
    expect("random:x", "seed")
    expect("random:-1", "seed")
    expect("random:", "seed")
    expect("random:+1", "seed")
    expect("eplb++8", "0 to 65536")
    expect("eplb:", "global and hierarchical")
    expect("eplb:local", "global and hierarchical")
    expect("eplb+", "0 to 65536")
    expect("eplb+x", "0 to 65536")
    expect("eplb+-1", "0 to 65536")
    expect("eplb+65537", "0 to 65536")
    expect("eplb+99999999999999999999", "0 to 65536")
  }
}
