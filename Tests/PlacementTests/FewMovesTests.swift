// SPDX-License-Identifier: Apache-2.0
// epsim: tests of strategies that move few experts.

import CostModel
import MoE
import Placement
import Testing
import Workloads

@Suite struct FewMovesTests {
  private func hashed(_ spec: String, experts: Int, ranks: Int) throws -> [Int] {
    let placement = try PlacementSpec(parsing: spec).place(
      load: LoadHistogram(layers: [0], expertCount: experts), topology: Topology(ranks: ranks),
      groups: 1, modelLayers: [0])
    var rankOfExpert = Array(repeating: -1, count: experts)
    for (slot, expert) in placement.physicalToLogical[0].enumerated() {
      rankOfExpert[Int(expert)] = placement.rank(ofSlot: slot)
    }
    return rankOfExpert
  }

  /// Experts of 256 that change rank when one more comes, summed over 4 to 5 ranks up to 31 to 32.
  private func moved(_ spec: String) throws -> (experts: Int, least: Double) {
    var (moved, least) = (0, 0.0)
    for ranks in 4...31 {
      let (old, new) = (
        try hashed(spec, experts: 256, ranks: ranks),
        try hashed(spec, experts: 256, ranks: ranks + 1)
      )
      moved += zip(old, new).count { $0 != $1 }
      least += 256 / Double(ranks + 1)
    }
    return (moved, least)
  }

  /// A rank more should get E / (R + 1) experts and nothing else should move; contiguous blocks
  /// move half of all experts.
  @Test func fewExpertsMoveWhenARankComes() throws {
    let loose = try moved("consistent-hash:16")
    #expect(Double(loose.experts) < 1.1 * loose.least)
    let usual = try moved("consistent-hash")
    #expect(Double(usual.experts) < 1.2 * usual.least)
    let contiguous = try moved("contiguous")
    #expect(contiguous.experts > 5 * usual.experts)
  }

  @Test(arguments: [1.0, 1.25, 2.0])
  func noRankHoldsMoreThanItsBound(factor: Double) throws {
    for ranks in [1, 2, 3, 7, 16, 40] {
      for experts in [1, 5, 64, 100] {
        let ranksOf = try hashed("consistent-hash:\(factor)", experts: experts, ranks: ranks)
        let counts = (0..<ranks).map { rank in ranksOf.count { $0 == rank } }
        let bound = (factor * Double(experts) / Double(ranks)).rounded(.up)
        #expect(Double(counts.max()!) <= bound)
        #expect(counts.reduce(0, +) == experts)
      }
    }
  }

  private func swap(
    _ spec: String, _ loads: [Int], from rows: [Int32], offsets: [Int], speeds: [Double]? = nil
  ) throws -> [Int32] {
    let ranks = offsets.count - 1
    let current = try ExpertPlacement(
      name: "now", layers: [0], expertCount: loads.count, slotOffsets: offsets,
      physicalToLogical: [rows])
    return try PlacementSpec(parsing: spec).place(
      PlacementProblem(
        load: load(loads), topology: Topology(ranks: ranks), rankSpeeds: speeds, current: current),
      modelLayers: [0]
    ).physicalToLogical[0]
  }

  @Test func theBestPairOfTheMostLoadedRankIsSwapped() throws {
    // 17 and 3: expert 0 with expert 2 gives 9 and 11, with 3 10 and 10.
    #expect(
      try swap("swap", [9, 8, 1, 2], from: [0, 1, 2, 3], offsets: [0, 2, 4]) == [3, 1, 2, 0])
    #expect(
      try swap("swap:0", [9, 8, 1, 2], from: [0, 1, 2, 3], offsets: [0, 2, 4]) == [0, 1, 2, 3])
    // Within 1 % of the mean nothing is done, nor where no swap gains 1 % of it.
    #expect(try swap("swap", [100, 101], from: [0, 1], offsets: [0, 1, 2]) == [0, 1])
    #expect(try swap("swap", [90, 10], from: [0, 1], offsets: [0, 1, 2]) == [0, 1])
    // The second rank is twice as fast.
    #expect(
      try swap("swap", [90, 10], from: [0, 1], offsets: [0, 1, 2], speeds: [0.5, 1]) == [1, 0])
  }

  /// Expert 0 has two slots; the second goes to the expert that is hot now.
  @Test func slotsOfReplicasAreFilledAnew() throws {
    // Ranks {0, 1}, {2, 0}, {3, 4}: loads 2 + 2, 30 + 2, 4 + 2 become 19 + 1, ...
    let rows = try swap(
      "swap:0", [4, 2, 30, 4, 2], from: [0, 1, 2, 0, 3, 4], offsets: [0, 2, 4, 6])
    // Only rank 1 has a slot to fill, and it holds expert 2 already.
    #expect(rows == [0, 1, 2, 0, 3, 4])
    let other = try swap(
      "swap:0", [4, 2, 30, 4, 2], from: [2, 1, 0, 3, 4, 0], offsets: [0, 2, 4, 6])
    #expect(other == [2, 1, 0, 3, 4, 2])
  }

  @Test func atMostOneExpertGoesFromRankToRankAndTheLoadFalls() throws {
    var random = RandomDraws(key: 14, number: 0)
    var betterCount = 0
    for _ in 0..<60 {
      let ranks = Int.random(in: 2...6, using: &random)
      let experts = ranks * Int.random(in: 2...6, using: &random)
      let extra = Int.random(in: 0...1, using: &random) * ranks
      func draw() -> [Int] { (0..<experts).map { _ in Int.random(in: 0...50, using: &random) } }
      let current = try PlacementSpec(parsing: "eplb-distinct+\(extra)").place(
        PlacementProblem(load: load(draw()), topology: Topology(ranks: ranks)), modelLayers: [0])
      let load = try load(draw())
      let problem = PlacementProblem(
        load: load, topology: Topology(ranks: ranks), current: current)
      let next = try PlacementSpec(parsing: "swap").place(problem, modelLayers: [0])
      #expect(next.slotOffsets == current.slotOffsets)
      let (before, after) = (
        try current.uniformRankLoads(load, layerRow: 0).max()!,
        try next.uniformRankLoads(load, layerRow: 0).max()!
      )
      #expect(after <= before * (1 + 1e-12))
      if after < before { betterCount += 1 }
      // A rank cannot have got more experts than there are others to send one each.
      for rank in 0..<ranks {
        let old = Set(current.experts(onRank: rank, layerRow: 0))
        let new = Set(next.experts(onRank: rank, layerRow: 0)).subtracting(old)
        #expect(new.count <= ranks - 1)
        if extra == 0 {
          let senders = new.map { expert in
            (0..<ranks).first { current.experts(onRank: $0, layerRow: 0).contains(expert) }!
          }
          #expect(Set(senders).count == senders.count)
        }
      }
      #expect(next.uselessReplicaCount == 0)
    }
    #expect(betterCount > 30)
  }

  @Test func aPlacementOfTheMomentIsNeededAndMustFit() throws {
    let topology = Topology(ranks: 2)
    let load = try load([1, 2, 3])
    let spec = try PlacementSpec(parsing: "swap")
    func expect(_ problem: PlacementProblem, _ words: String) {
      expectInputError("placement swap", words) { _ = try spec.place(problem, modelLayers: [0]) }
    }
    expect(PlacementProblem(load: load, topology: topology), "--current")
    func current(experts: Int, ranks: Int, layer: Int = 0) throws -> ExpertPlacement {
      try ContiguousPlacement().place(
        PlacementProblem(
          load: LoadHistogram(layers: [layer], expertCount: experts),
          topology: Topology(ranks: ranks)), name: "now")
    }
    var problem = PlacementProblem(load: load, topology: topology)
    problem.current = try current(experts: 4, ranks: 2)
    expect(problem, "for 4 experts on 2 ranks, needed are 3 experts on 2 ranks")
    problem.current = try current(experts: 3, ranks: 3)
    expect(problem, "for 3 experts on 3 ranks")
    problem.current = try current(experts: 3, ranks: 2)
    problem.slotsPerRank = [3, 0]
    expect(problem, "hold [3, 0] slots")
    problem.slotsPerRank = nil
    problem.current = try current(experts: 3, ranks: 2, layer: 7)
    expectInputError("placement now has no layer 0") {
      _ = try spec.place(problem, modelLayers: [0])
    }
  }
}
