// SPDX-License-Identifier: Apache-2.0
// epsim: tests of strategies that balance load: packing, replicas apart, hot tier.

import CostModel
import MoE
import Placement
import Testing
import Workloads

@Suite struct BalancingTests {
  private func place(
    _ spec: String, _ loads: [Int], ranks: Int, slots: [Int]? = nil, speeds: [Double]? = nil
  ) throws -> ExpertPlacement {
    try PlacementSpec(parsing: spec).place(
      PlacementProblem(
        load: load(loads), topology: Topology(ranks: ranks), slotsPerRank: slots,
        rankSpeeds: speeds),
      modelLayers: [0])
  }

  private func largestLoad(_ spec: String, _ loads: [Int], ranks: Int) throws -> Double {
    try place(spec, loads, ranks: ranks).uniformRankLoads(load(loads), layerRow: 0).max()!
  }

  private func experts(_ placement: ExpertPlacement) -> [[Int]] {
    (0..<placement.rankCount).map { rank in
      placement.slots(ofRank: rank).map { Int(placement.physicalToLogical[0][$0]) }
    }
  }

  @Test(arguments: [
    (2, [19, 17, 12, 1, 13, 12], 43.0), (3, [13, 1, 16, 12, 11, 19, 17, 1, 11], 41.0),
    (4, [1, 9, 7, 2, 1, 10, 7, 8, 9, 11, 3, 18], 28.0), (3, [9, 7, 6, 5, 4, 2], 11.0),
  ])
  func snakeGivesTheKnownLargestLoads(ranks: Int, loads: [Int], expected: Double) throws {
    #expect(try largestLoad("snake", loads, ranks: ranks) == expected)
  }

  /// With two experts per rank both pair the heaviest with the lightest.
  @Test func snakeIsAsGoodAsLPTForTwoExpertsPerRank() throws {
    var random = RandomDraws(key: 5, number: 0)
    for ranks in 2...9 {
      for _ in 0..<20 {
        let loads = (0..<2 * ranks).map { _ in Int.random(in: 0...20, using: &random) }
        let lpt = try largestLoad("lpt", loads, ranks: ranks)
        #expect(try largestLoad("snake", loads, ranks: ranks) == lpt, "\(loads)")
      }
    }
  }

  @Test func snakeTurnsAtTheEndsAndPassesFullRanks() throws {
    let loads = [10, 9, 8, 7, 6, 5, 4]
    #expect(experts(try place("snake", loads, ranks: 3)) == [[0, 5, 6], [1, 4], [2, 3]])
    #expect(
      experts(try place("snake", loads, ranks: 4, slots: [1, 0, 4, 2])) == [
        [0], [], [1, 4, 5, 6], [2, 3],
      ])
    // Expert 0 has two replicas of 10 each, which come first.
    #expect(experts(try place("snake+1", [20, 9, 3], ranks: 2)) == [[0, 2], [0, 1]])
  }

  /// The weights of the EPLB README, where EPLB over all ranks puts one expert onto a rank twice.
  @Test func replicasOfAnExpertStandOnRanksOfTheirOwn() throws {
    for loads in [
      [90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86],
      [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27],
    ] {
      let placement = try place("eplb-distinct+4", loads, ranks: 8)
      #expect(placement.uselessReplicaCount == 0)
      let mean = Double(loads.reduce(0, +)) / 8
      #expect(try placement.uniformRankLoads(load(loads), layerRow: 0).max()! < 1.2 * mean)
    }
  }

  /// Ranks of any sizes, most of them nearly full of every expert: others have to make way.
  @Test func distinctReplicasAreFoundWhereverTheyExist() throws {
    var random = RandomDraws(key: 6, number: 0)
    for _ in 0..<300 {
      let experts = Int.random(in: 1...7, using: &random)
      var slots = (0..<Int.random(in: 1...6, using: &random)).map { _ in
        Int.random(in: 0...experts, using: &random)
      }
      if slots.reduce(0, +) < experts { slots.append(experts) }
      let loads = (0..<experts).map { _ in
        Int.random(in: 0...1, using: &random) * Int.random(in: 0...100, using: &random)
      }
      let placement = try place("eplb-distinct", loads, ranks: slots.count, slots: slots)
      #expect(placement.uselessReplicaCount == 0, "\(loads) on \(slots)")
      #expect((0..<slots.count).map { placement.slots(ofRank: $0).count } == slots)
    }
  }

  /// Where nothing forces replicas together the rule of the counts is EPLB's.
  @Test func distinctReplicasAreAsManyAsThoseOfEPLB() throws {
    var random = RandomDraws(key: 7, number: 0)
    for _ in 0..<50 {
      let loads = (0..<12).map { _ in Int.random(in: 50...100, using: &random) }
      let counts = try place("eplb-distinct+8", loads, ranks: 4).replicaCounts(layerRow: 0)
      #expect(try place("eplb+8:global", loads, ranks: 4).replicaCounts(layerRow: 0) == counts)
    }
  }

  @Test func moreSlotsThanExpertsOnARankAreRefused() throws {
    expectInputError("eplb-distinct+5", "rank 0 holds 5 slots", "4 experts twice") {
      _ = try place("eplb-distinct+5", [1, 2, 3, 4], ranks: 2)
    }
    #expect(try place("eplb-distinct+4", [1, 2, 3, 4], ranks: 2).uselessReplicaCount == 0)
  }

  /// The time of the slowest rank against a list of all ways to place the experts.
  @Test func lptWithSpeedsIsNeverWorseThanTwiceTheBest() throws {
    var random = RandomDraws(key: 8, number: 0)
    let speeds = [1.0, 0.5, 0.25]
    var ratios = 0.0
    for _ in 0..<40 {
      let loads = (0..<6).map { _ in Int.random(in: 1...40, using: &random) }
      let placement = try place("lpt", loads, ranks: 3, speeds: speeds)
      let sums = try placement.uniformRankLoads(load(loads), layerRow: 0)
      let time = zip(sums, speeds).map { $0 / $1 }.max()!
      var best = Double.infinity
      for code in 0..<729 {
        var (rest, sums, held) = (code, [0.0, 0, 0], [0, 0, 0])
        for load in loads {
          sums[rest % 3] += Double(load)
          held[rest % 3] += 1
          rest /= 3
        }
        guard held == [2, 2, 2] else { continue }
        best = min(best, zip(sums, speeds).map { $0 / $1 }.max()!)
      }
      #expect(time >= best && time <= 2 * best, "\(loads)")
      ratios += time / best
    }
    #expect(ratios / 40 < 1.1)
  }

  @Test func fasterRanksGetMoreLoad() throws {
    let loads = [8, 7, 6, 5, 4, 3, 2, 1]
    for spec in ["lpt", "eplb-distinct"] {
      let placement = try place(spec, loads, ranks: 2, slots: [4, 4], speeds: [0.5, 1])
      let sums = try placement.uniformRankLoads(load(loads), layerRow: 0)
      #expect(sums[0] <= 14 && sums.reduce(0, +) == 36, "\(spec): \(sums)")
    }
    // One expert per rank: without speeds no choice is made.
    #expect(experts(try place("lpt", [1, 5, 9], ranks: 3)) == [[0], [1], [2]])
    #expect(
      experts(try place("lpt", [1, 5, 9], ranks: 3, speeds: [0.5, 0.1, 1])) == [[1], [0], [2]])
  }

  @Test func theHottestExpertsStandOnEveryRank() throws {
    let loads = [5, 40, 3, 30, 6, 2]
    let placement = try place("hot-tier:2", loads, ranks: 3)
    #expect(placement.slotCount == 6 + 2 * 2)
    // Besides experts 1 and 3: loads of 6, 5 and 3, then the last onto the rank with room.
    #expect(experts(placement) == [[1, 3, 4, 5], [1, 3, 0], [1, 3, 2]])
    #expect(
      experts(try place("hot-tier:0", loads, ranks: 2))
        == experts(try place("lpt", loads, ranks: 2)))
    let all = try place("hot-tier:6", loads, ranks: 3)
    #expect((0..<3).allSatisfy { all.experts(onRank: $0, layerRow: 0) == Array(0..<6) })
    let uneven = try place("hot-tier:1", loads, ranks: 4, slots: [4, 0, 3, 1])
    #expect(experts(uneven).map(\.count) == [4, 0, 3, 1])
    #expect(experts(uneven).filter { !$0.isEmpty }.allSatisfy { $0[0] == 1 })
  }

  @Test func impossibleHotTiersAreRefused() {
    let loads = [5, 40, 3, 30, 6, 2]
    expectInputError("hot-tier:7", "7 experts on every rank", "0 to 6") {
      _ = try place("hot-tier:7", loads, ranks: 3)
    }
    expectInputError("hold 9 slots", "needed are 8") {
      _ = try place("hot-tier:1", loads, ranks: 4, slots: [4, 0, 3, 2])
    }
    expectInputError("rank 2 holds 1 slots", "at least 2") {
      _ = try place("hot-tier:2", loads, ranks: 3, slots: [5, 4, 1])
    }
  }

  @Test func slotsAndSpeedsThatDoNotFitAreNamed() throws {
    let loads = [1, 2, 3, 4]
    func expect(
      _ spec: String, slots: [Int]? = nil, speeds: [Double]? = nil, _ words: String
    ) {
      expectInputError("placement \(spec)", words) {
        _ = try place(spec, loads, ranks: 2, slots: slots, speeds: speeds)
      }
    }
    expect("eplb", slots: [2, 2, 1], "slots are given for 3 ranks, there are 2")
    expect("eplb", slots: [5, -1], "-1 slots on rank 1")
    expect("eplb", slots: [Int.max, Int.max], "on all ranks together")
    expect("eplb", slots: [2, 1], "hold 3 slots for 4 experts, needed are 4")
    expect("eplb+3", slots: [3, 3], "needed are 7, one for each expert and 3 extra ones")
    expect("lpt", slots: [3, 3], "needed are 4, because it makes no replicas")
    expect("contiguous", slots: [3, 3], "no replicas")
    expect("consistent-hash", slots: [3, 3], "no replicas")
    expect("lpt", speeds: [1], "speeds are given for 1 ranks, there are 2")
    for speed in [0, -1, 1.5, .nan, .infinity] {
      expect("lpt", speeds: [1, speed], "rank 1 has speed")
    }
    for spec in ["eplb", "eplb+2", "snake", "eplb-distinct"] {
      let placement = try place(spec, loads, ranks: 2, slots: [4, 2])
      #expect(placement.slotOffsets == [0, 4, 6])
    }
    for spec in ["contiguous", "round-robin", "random", "lpt", "consistent-hash"] {
      #expect(try place(spec, loads, ranks: 2, slots: [1, 3]).slotOffsets == [0, 1, 4])
    }
    #expect(
      experts(try place("round-robin", loads, ranks: 2, slots: [1, 3])) == [[0], [1, 2, 3]])
  }
}
