// SPDX-License-Identifier: Apache-2.0
// epsim: tests of strategies that look at several windows of tokens.

import CostModel
import MoE
import Placement
import Testing
import Workloads

@Suite struct WindowTests {
  private func place(_ spec: String, _ problem: PlacementProblem) throws -> ExpertPlacement {
    try PlacementSpec(parsing: spec).place(problem, modelLayers: [0])
  }

  /// Sum over windows of the load of the heaviest replica.
  private func sumOfPeaks(_ windows: [[Int]], _ counts: [Int]) -> Double {
    windows.reduce(0) { sum, window in
      sum + zip(window, counts).map { Double($0) / Double($1) }.max()!
    }
  }

  /// Every choice is compared with all others, each tried out.
  @Test func everyReplicaLowersTheSumOfPeaksAsMuchAsAny() {
    var random = RandomDraws(key: 9, number: 0)
    for count in 1...4 {
      for experts in [1, 2, 5, 9] {
        let windows = (0..<count).map { _ in
          (0..<experts).map { _ in Int.random(in: 0...30, using: &random) }
        }
        let replication = WindowReplication(windows: windows, replicaCount: experts + 12)
        #expect(Array(replication.expertOfReplica[..<experts]) == Array(0..<Int32(experts)))
        var counts = Array(repeating: 1, count: experts)
        for chosen in replication.expertOfReplica.dropFirst(experts) {
          let results = (0..<experts).map { expert in
            var tried = counts
            tried[expert] += 1
            return sumOfPeaks(windows, tried)
          }
          #expect(results[Int(chosen)] <= results.min()! + 1e-9, "\(windows) with \(counts)")
          counts[Int(chosen)] += 1
        }
        #expect(counts == replication.replicaCounts)
      }
    }
  }

  /// Of one window it is the greedy rule that is optimal for the heaviest replica.
  @Test func oneWindowIsServedAsByEPLB() {
    var random = RandomDraws(key: 10, number: 0)
    for _ in 0..<50 {
      let loads = (0..<8).map { _ in Int.random(in: 1...1000, using: &random) }
      let window = WindowReplication(windows: [loads], replicaCount: 14)
      let plain = ExpertReplication(loads: loads.map { Double($0) }, replicaCount: 14)
      #expect(window.replicaCounts == plain.replicaCounts, "\(loads)")
    }
  }

  /// Experts 0 and 1 are hot in one window each, expert 2 is always warm: the sum of windows would
  /// replicate expert 2 first.
  @Test func whatIsHotInAWindowGetsTheReplica() throws {
    let problem = PlacementProblem(
      windows: [[90, 0, 50], [0, 90, 50], [0, 0, 50]], ranks: 3, extraSlots: 2)
    #expect(try place("window+2", problem).replicaCounts(layerRow: 0) == [2, 2, 1])
    #expect(try place("eplb+2:global", problem).replicaCounts(layerRow: 0) == [2, 1, 2])
  }

  /// The largest load of any rank in any window.
  private func peak(_ placement: ExpertPlacement, _ windows: [[Int]]) throws -> Double {
    try windows.map { try placement.uniformRankLoads(load($0), layerRow: 0).max()! }.max()!
  }

  /// Experts 0 and 1 are hot together, 2 and 3 too, in turns; all have equal sums.
  @Test func expertsThatAreHotTogetherAreSetApart() throws {
    let windows = [[20, 20, 0, 0], [0, 0, 20, 20], [20, 20, 0, 0], [0, 0, 20, 20]]
    let problem = PlacementProblem(windows: windows, ranks: 2)
    #expect(try peak(place("mean-variance", problem), windows) == 20)
    #expect(try peak(place("mean-variance:0.1", problem), windows) == 20)
    // Without variance equal experts go to the ranks in turns, which happens to set them apart;
    // in this order it does not.
    let swapped = windows.map { [$0[0], $0[2], $0[1], $0[3]] }
    let other = PlacementProblem(windows: swapped, ranks: 2)
    #expect(try peak(place("mean-variance:0", other), swapped) == 40)
    #expect(try peak(place("mean-variance", other), swapped) == 20)
  }

  /// z standard deviations count as load: without them the two give the same placement.
  @Test func withoutVarianceItIsDistinctEPLB() throws {
    var random = RandomDraws(key: 12, number: 0)
    for _ in 0..<20 {
      // Means of four windows are exact.
      let windows = (0..<4).map { _ in
        (0..<10).map { _ in 4 * Int.random(in: 0...25, using: &random) }
      }
      let problem = PlacementProblem(windows: windows, ranks: 5)
      #expect(
        try place("mean-variance:0", problem).physicalToLogical
          == place("eplb-distinct", problem).physicalToLogical)
    }
  }

  @Test func replicasOfMeanVarianceStandApart() throws {
    var random = RandomDraws(key: 13, number: 0)
    for ranks in 2...6 {
      let windows = (0..<3).map { _ in
        (0..<6).map { _ in Int.random(in: 0...50, using: &random) }
      }
      let problem = PlacementProblem(windows: windows, ranks: ranks)
      let placement = try place("mean-variance+\(2 * ranks)", problem)
      #expect(placement.uselessReplicaCount == 0)
    }
  }

  @Test func aLoadAloneIsNotEnough() throws {
    let problem = PlacementProblem(load: try load([1, 2, 3]), topology: Topology(ranks: 2))
    for spec in ["window", "mean-variance+1"] {
      expectInputError("placement \(spec)", "--workload", "--fit") { _ = try place(spec, problem) }
    }
  }
}
