// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the strategy that tries the others.

import CostModel
import MoE
import Placement
import Testing
import Workloads

@Suite struct AutoPlacementTests {
  private let topology = Topology(ranks: 4, nodes: 2)

  private func windows(_ count: Int) -> [RoutingBundles] {
    (0..<count).map {
      drawnBundles(seed: UInt64($0), tokens: 100, ranks: 4, experts: 12, topK: 3)
    }
  }

  @Test func theFastestOnUnseenWindowsIsChosen() throws {
    let windows = windows(5)
    let prices = layerPrices(.node, ranks: 4)
    let problem = trafficProblem(windows, topology, prices: prices, extraSlots: 4)
    let auto = AutoPlacement(sweeps: 5)
    let solved = try auto.solve(problem, name: "auto+4")
    let (placement, choice) = (solved.placement, try #require(solved.choice))
    #expect(!solved.isCutShort)
    #expect(choice.fittedWindows == 3 && choice.heldOutWindows == 2)
    #expect(
      choice.candidates.map(\.name) == [
        "contiguous", "lpt", "eplb", "eplb:global", "source", "coactivation", "hypergraph",
        "search",
      ] || !choice.leftOut.isEmpty)
    #expect(choice.candidates.allSatisfy { $0.heldOut >= choice.winner.heldOut })
    // What is told of a candidate is what it is.
    let global = try #require(choice.candidates.first { $0.name == "eplb:global" })
    let fitted = trafficProblem(Array(windows[..<3]), topology, extraSlots: 4)
    let eplb = try EPLBPlacement(policy: .global).place(fitted, name: "eplb")
    func mean(_ range: Range<Int>) -> Seconds {
      windows[range].reduce(.zero) { $0 + BundleCost($1, eplb, topology, prices).time }
        / Double(range.count)
    }
    #expect(global.fitted == mean(0..<3) && global.heldOut == mean(3..<5))
    #expect(choice.reason.hasPrefix("\(choice.winner.name): "))
    #expect(choice.reason.contains("2 held-out windows"))
    #expect(placement.slotCount == 16 && placement.name == "auto+4")
    #expect(try auto.place(problem, name: "auto+4") == placement)
  }

  @Test func theReasonComesWithThePlacement() throws {
    let problem = trafficProblem(windows(4), topology, prices: layerPrices(.rank, ranks: 4))
    let solved = try PlacementSpec(parsing: "auto:1").solve(problem, modelLayers: [0])
    let same = try AutoPlacement(sweeps: 1).solve(problem, name: "auto:1")
    #expect(solved.placement == same.placement && solved.choice == same.choice)
    // What was named outright has no reason.
    #expect(try PlacementSpec(parsing: "lpt").solve(problem, modelLayers: [0]).choice == nil)
  }

  @Test func oneWindowDecidesItself() throws {
    let problem = trafficProblem(
      windows(1), topology, prices: layerPrices(.rank, ranks: 4))
    let choice = try #require(try AutoPlacement(sweeps: 2).solve(problem, name: "auto").choice)
    #expect(choice.fittedWindows == 1 && choice.heldOutWindows == 0)
    #expect(choice.candidates.allSatisfy { $0.fitted == $0.heldOut })
    #expect(choice.reason.contains("that it was fitted to"))
  }

  @Test func withoutTimeTheFirstIsKept() throws {
    var problem = trafficProblem(
      windows(2), topology, prices: layerPrices(.rank, ranks: 4))
    problem.secondLimit = 0
    let solved = try AutoPlacement().solve(problem, name: "auto")
    let choice = try #require(solved.choice)
    #expect(solved.isCutShort)
    #expect(choice.candidates.map(\.name) == ["contiguous"] && choice.leftOut.count == 7)
    #expect(choice.leftOut.allSatisfy { $0.contains("no time was left") })
  }
}
