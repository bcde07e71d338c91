// SPDX-License-Identifier: Apache-2.0
// epsim: tests of packing, replication and every strategy's rules.

import CostModel
import MoE
import Placement
import Testing
import Workloads

@Suite struct StrategyTests {
  private func largestLoad(_ spec: String, _ loads: [Int], ranks: Int) throws -> Double {
    let load = try load(loads)
    let placement = try PlacementSpec(parsing: spec).place(
      load: load, topology: Topology(ranks: ranks), groups: 1, modelLayers: [0])
    return try placement.uniformRankLoads(load, layerRow: 0).max()!
  }

  @Test(arguments: [
    (2, [19, 17, 12, 1, 13, 12], 48.0, 44.0, 42.0),
    (3, [13, 1, 16, 12, 11, 19, 17, 1, 11], 42.0, 46.0, 40.0),
    (4, [1, 9, 7, 2, 1, 10, 7, 8, 9, 11, 3, 18], 32.0, 30.0, 26.0),
  ])
  func packingWithoutReplicasGivesTheKnownLargestLoads(
    ranks: Int, loads: [Int], contiguous: Double, roundRobin: Double, lpt: Double
  ) throws {
    #expect(try largestLoad("contiguous", loads, ranks: ranks) == contiguous)
    #expect(try largestLoad("round-robin", loads, ranks: ranks) == roundRobin)
    #expect(try largestLoad("lpt", loads, ranks: ranks) == lpt)
  }

  /// With two experts per rank, heavy-with-light pairing is optimal (exchange argument).
  @Test func lptIsOptimalForTwoExpertsPerRank() throws {
    #expect(try largestLoad("lpt", [9, 7, 6, 5, 4, 2], ranks: 3) == 11)
    var random = RandomDraws(key: 1, number: 0)
    for ranks in 2...4 {
      for _ in 0..<50 {
        let loads = (0..<2 * ranks).map { _ in Int.random(in: 0...20, using: &random) }
        #expect(
          try largestLoad("lpt", loads, ranks: ranks) == Double(bestPairing(loads)), "\(loads)")
      }
    }
  }

  /// The smallest largest sum over all ways to form pairs.
  private func bestPairing(_ loads: [Int]) -> Int {
    guard let first = loads.first else { return 0 }
    return loads.indices.dropFirst().map { partner in
      var rest = loads
      rest.remove(at: partner)
      rest.removeFirst()
      return max(first + loads[partner], bestPairing(rest))
    }.min()!
  }

  @Test func replicationGivesSlotsToTheHeaviestReplica() {
    let replication = ExpertReplication(loads: [10, 6, 5] as [Float], replicaCount: 6)
    // 10 -> 5, 5; then 6 -> 3, 3; then the tie of experts 0 and 2 at 5 goes to 0.
    #expect(replication.expertOfReplica == [0, 1, 2, 0, 1, 0])
    #expect(replication.replicaCounts == [3, 2, 1])
  }

  @Test func replicationMinimisesTheHeaviestReplica() {
    var random = RandomDraws(key: 2, number: 0)
    for extra in 0...5 {
      for _ in 0..<20 {
        let loads = (0..<3).map { _ in Double(Int.random(in: 0...30, using: &random)) }
        let counts = ExpertReplication(loads: loads, replicaCount: 3 + extra).replicaCounts
        #expect(counts.reduce(0, +) == 3 + extra)
        let heaviest = zip(loads, counts).map { $0 / Double($1) }.max()!
        var best = Double.infinity
        for first in 1...1 + extra {
          for second in 1...max(1, 2 + extra - first) where first + second <= 2 + extra {
            let third = 3 + extra - first - second
            best = min(
              best,
              max(loads[0] / Double(first), loads[1] / Double(second), loads[2] / Double(third)))
          }
        }
        #expect(heaviest == best, "\(loads) + \(extra)")
      }
    }
  }

  @Test func packingKeepsTheOrderOfTiesAndOfSingleItems() {
    let even = BalancedPacking.pack([1, 1, 1, 1], room: [2, 2])
    #expect(even.map(\.pack) == [0, 1, 0, 1])
    // One item per pack: no decision is made.
    #expect(BalancedPacking.pack([1, 9, 5], room: [1, 1, 1]).map(\.pack) == [0, 1, 2])
    #expect(BalancedPacking.pack([1, 9], room: [1, 0, 1]).map(\.pack) == [0, 2])
    #expect(BalancedPacking.pack([], room: [0, 0]).isEmpty)
  }

  /// Every entry of the catalogue, without and with extra slots, with every value at its ends.
  private static let specs = PlacementSpec.catalogue.flatMap { entry in
    [entry.name] + (entry.makesReplicas ? ["\(entry.name)+5", "\(entry.name)+8"] : [])
      + entry.parameters.flatMap { parameter in
        parameter.extremes.map { "\(entry.name):\(parameter.name)=\($0)" }
      }
  }

  @Test(arguments: specs, [1, 2, 3, 5, 8, 13])
  func everyStrategyServesEveryExpertForAnyNumberOfRanks(text: String, ranks: Int) throws {
    let spec = try PlacementSpec(parsing: text)
    let entry = try #require(spec.entry)
    let isCutShort = text.hasSuffix("sweeps=100000")
    for experts in [1, 3, 8, 10] {
      var problem = try PlacementProblem.offeringEverything(
        experts: experts, ranks: ranks, seed: UInt64(ranks))
      problem.secondLimit = isCutShort ? 0.05 : 3600
      func solve() throws -> ExpertPlacement { try spec.place(problem, modelLayers: []) }
      let placement: ExpertPlacement
      do {
        // Construction checks that each expert has a slot.
        placement = try solve()
      } catch let error as InputError {
        // Only what cannot be is refused, in a sentence that names the placement.
        let isImpossible =
          text.hasPrefix("hot-tier") || text.hasSuffix("hierarchical")
          || experts + spec.extraSlots > experts * ranks
        #expect(isImpossible && error.description.hasPrefix("placement \(text): "), "\(error)")
        continue
      }
      #expect(placement.name == text)
      #expect(placement.layers == problem.load.layers)
      #expect(placement.rankCount == ranks)
      // Where replicas gain nothing, auto may keep a strategy that makes none.
      let isLeftOut = entry.name == "auto" && placement.extraSlotCount == 0
      if !entry.choosesSlots, !isLeftOut {
        #expect(placement.extraSlotCount == spec.extraSlots)
      }
      for row in placement.layers.indices {
        #expect(
          placement.replicaCounts(layerRow: row).reduce(0, +)
            == experts + placement.extraSlotCount)
        let bound = LoadBound(
          loads: problem.load.row(row), slotOffsets: placement.slotOffsets)
        let largest = try placement.uniformRankLoads(problem.load, layerRow: row).max()!
        #expect(largest >= bound.value * (1 - 1e-12))
      }
      // A search that the clock cuts short ends elsewhere each time.
      if !isCutShort { #expect(try solve() == placement) }
    }
  }

  /// Slots that are given are filled exactly, those of empty ranks included.
  @Test(arguments: PlacementSpec.catalogue.filter { !$0.choosesSlots }.map(\.name))
  func slotsOfRanksAreFilledAsGiven(name: String) throws {
    let spec = try PlacementSpec(parsing: name)
    let entry = try #require(spec.entry)
    for slots in [[4, 0, 3, 1], [1, 1, 2, 4], [5, 3, 4, 0]] {
      let isServed = entry.makesReplicas || slots.reduce(0, +) == 8
      guard isServed else { continue }
      var problem = try PlacementProblem.offeringEverything(experts: 8, ranks: 4, seed: 21)
      problem.slotsPerRank = slots
      let placement = try spec.place(problem, modelLayers: [])
      #expect((0..<4).map { placement.slots(ofRank: $0).count } == slots)
    }
  }

  /// Loads of nothing are served too.
  @Test(arguments: PlacementSpec.catalogue.filter { $0.fitting <= .load }.map(\.name))
  func anEmptyLoadIsServed(name: String) throws {
    var problem = try PlacementProblem.offeringEverything(experts: 8, ranks: 3, seed: 22)
    problem.load = LoadHistogram(layers: problem.load.layers, expertCount: 8)
    let placement = try PlacementSpec(parsing: name).place(problem, modelLayers: [])
    #expect(placement.layers == problem.load.layers)
  }

  @Test func evenSharesDifferByOneSlotAtMost() throws {
    for text in ["contiguous", "round-robin", "random", "lpt", "snake+3", "eplb+5"] {
      for ranks in [1, 3, 7] {
        let placement = try PlacementSpec(parsing: text).place(
          PlacementProblem.offeringEverything(experts: 10, ranks: ranks, seed: 23),
          modelLayers: [])
        let slots = (0..<ranks).map { placement.slots(ofRank: $0).count }
        #expect(slots.max()! - slots.min()! <= 1)
        if text != "contiguous" { #expect(slots == slots.sorted(by: >)) }
      }
    }
  }

  @Test func contiguousAndRoundRobinPutExpertsWhereTheirNamesSay() throws {
    for (experts, ranks) in [(8, 3), (10, 4), (3, 5), (64, 7)] {
      let load = LoadHistogram(layers: [4], expertCount: experts)
      let problem = PlacementProblem(load: load, topology: Topology(ranks: ranks))
      let contiguous = try ContiguousPlacement().place(problem, name: "c")
      let roundRobin = try RoundRobinPlacement().place(problem, name: "r")
      for slot in 0..<experts {
        let expert = Int(contiguous.physicalToLogical[0][slot])
        #expect(contiguous.rank(ofSlot: slot) == expert * ranks / experts)
        #expect(roundRobin.rank(ofSlot: slot) == Int(roundRobin.physicalToLogical[0][slot]) % ranks)
      }
    }
  }

  @Test func randomDiffersBySeedAndLayerAndNotByTheOtherLayers() throws {
    func rows(_ seed: UInt64, layers: [Int]) throws -> [[Int32]] {
      try RandomPlacement(seed: seed).place(
        PlacementProblem(
          load: LoadHistogram(layers: layers, expertCount: 64), topology: Topology(ranks: 8)),
        name: "random"
      ).physicalToLogical
    }
    let base = try rows(1, layers: [1, 2])
    #expect(base[0] != base[1])
    #expect(try rows(2, layers: [1, 2])[0] != base[0])
    #expect(try rows(1, layers: [0, 2])[1] == base[1])
  }

  @Test func hierarchicalKeepsGroupsOnOneNode() throws {
    var random = RandomDraws(key: 4, number: 0)
    let loads = (0..<32).map { _ in Int.random(in: 0...100, using: &random) }
    let placement = try EPLBPlacement(policy: .hierarchical).place(
      PlacementProblem(
        load: load(loads), topology: Topology(ranks: 8, nodes: 2), groups: 8, extraSlots: 8),
      name: "h")
    for group in 0..<8 {
      let nodes = (0..<40).filter { placement.physicalToLogical[0][$0] / 4 == group }
        .map { placement.rank(ofSlot: $0) / 4 }
      #expect(Set(nodes).count == 1)
    }
  }

  @Test func hierarchicalRefusesWhatDoesNotDivide() throws {
    func place(
      experts: Int, extra: Int, topology: Topology, groups: Int, policy: EPLBPlacement.Policy
    ) throws {
      _ = try EPLBPlacement(policy: policy).place(
        PlacementProblem(
          load: LoadHistogram(layers: [0], expertCount: experts), topology: topology,
          groups: groups, extraSlots: extra),
        name: "eplb")
    }
    let twoNodes = Topology(ranks: 4, nodes: 2)
    expectInputError("3 groups on 2 nodes", "eplb:global") {
      try place(experts: 12, extra: 0, topology: twoNodes, groups: 3, policy: .hierarchical)
    }
    expectInputError("14 experts in 4 groups", "eplb:global") {
      try place(experts: 14, extra: 2, topology: twoNodes, groups: 4, policy: .automatic)
    }
    expectInputError("13 slots", "12 experts and 1 extra", "4 ranks") {
      try place(experts: 12, extra: 1, topology: twoNodes, groups: 4, policy: .automatic)
    }
    expectInputError("equal nodes") {
      try place(
        experts: 12, extra: 0, topology: Topology(nodeOfRank: [0, 0, 0, 1]), groups: 4,
        policy: .automatic)
    }
    expectInputError("equal nodes") {
      try place(
        experts: 12, extra: 0, topology: Topology(nodeOfRank: [0, 1, 0, 1]), groups: 4,
        policy: .automatic)
    }
    // The global form takes all of these, and automatic takes it where groups do not fit nodes.
    try place(experts: 14, extra: 1, topology: twoNodes, groups: 4, policy: .global)
    try place(experts: 14, extra: 1, topology: twoNodes, groups: 3, policy: .automatic)
    try place(experts: 12, extra: 1, topology: Topology(ranks: 5), groups: 4, policy: .automatic)
  }
}
