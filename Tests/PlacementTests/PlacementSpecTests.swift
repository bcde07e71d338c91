// SPDX-License-Identifier: Apache-2.0
// epsim: tests of how placements are written.

import CostModel
import MoE
import Placement
import Testing
import Workloads

@Suite struct PlacementSpecTests {
  @Test func namesExtrasAndParametersAreTold() throws {
    func names(_ text: String) throws -> [String?] {
      let spec = try PlacementSpec(parsing: text)
      return [spec.strategyName, spec.filePath]
    }
    for text in ["contiguous", "round-robin", "random", "random:7", "lpt", "eplb", "eplb:global"] {
      #expect(try names(text) == [String(text.split(separator: ":")[0]), nil])
    }
    #expect(try names("eplb+8:hierarchical") == ["eplb", nil])
    for path in ["maps/a", "a.csv", "a.json"] { #expect(try names(path) == [nil, path]) }
    #expect(try PlacementSpec(parsing: "eplb+8:hierarchical").extraSlots == 8)
    #expect(try PlacementSpec(parsing: "eplb+0").extraSlots == 0)
    #expect(try PlacementSpec(parsing: "eplb+8").description == "eplb+8")
    #expect(try PlacementSpec(parsing: "contiguous") == .contiguous)
  }

  @Test func parametersReachTheStrategy() throws {
    let problem = PlacementProblem(
      load: LoadHistogram(layers: [0], rows: [[8, 1, 1, 1, 1, 1, 1, 2]]),
      topology: Topology(ranks: 4, nodes: 2), groups: 4)
    func slots(_ text: String) throws -> [[Int32]] {
      try PlacementSpec(parsing: text).place(problem, modelLayers: [0]).physicalToLogical
    }
    #expect(try slots("random") == slots("random:1"))
    #expect(try slots("random:1") != slots("random:2"))
    #expect(try slots("eplb+4") == slots("eplb+4:hierarchical"))
    #expect(try slots("eplb+4:global") != slots("eplb+4:policy=hierarchical"))
  }

  @Test func onlyFittedStrategiesNeedALoad() throws {
    func needsLoad(_ text: String) throws -> Bool { try PlacementSpec(parsing: text).needsLoad }
    #expect(try ["lpt", "eplb", "eplb+8"].allSatisfy(needsLoad))
    #expect(
      try !["contiguous", "round-robin", "random", "a.json"].contains(where: needsLoad))
  }

  @Test(arguments: ["", "epbl", "EPLB", "eplb 8", "+8", ":1", "greedy:1"])
  func unknownNamesAreAnsweredWithWhatIsAccepted(text: String) {
    expectInputError("\"\(text)\" is unknown", "contiguous, round-robin", "eplb[+EXTRA][:POLICY]") {
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
    expect("eplb:", "auto, global, hierarchical")
    expect("eplb:local", "auto, global, hierarchical")
    expect("eplb+", "0 to 65536")
    expect("eplb+x", "0 to 65536")
    expect("eplb+-1", "0 to 65536")
    expect("eplb+65537", "0 to 65536")
    expect("eplb+99999999999999999999", "0 to 65536")
  }
}
