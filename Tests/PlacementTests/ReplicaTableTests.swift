// SPDX-License-Identifier: Apache-2.0
// epsim: tests of which copy of an expert serves an assignment.

import CostModel
import MoE
import Placement
import Testing
import Workloads

@Suite struct ReplicaTableTests {
  private let topology = Topology(ranks: 4, nodes: 2)

  /// One expert with copies on ranks 0 and 1 (node 0) and 2 (node 1); rank 3 holds nothing.
  private func threeCopies() throws -> ExpertPlacement {
    try ExpertPlacement(
      name: "three", layers: [0], expertCount: 1, slotOffsets: [0, 1, 2, 3, 3],
      physicalToLogical: [[0, 0, 0]])
  }

  private func slots(
    _ placement: ExpertPlacement, from rank: Int, _ choice: ReplicaChoice, topK: Int = 1,
    experts: [Int32]
  ) -> [Int32] {
    let table = ReplicaTable(
      placement: placement, layerRow: 0, sourceRank: rank, topology: topology, choice: choice)
    let decision = RoutingDecision(
      topK: topK, expertIndices: experts, routingWeights: experts.map { _ in 1 })
    var slots = experts
    let workspace = ChoiceWorkspace(placement: placement, nodeCount: topology.nodeCount)
    if let shares = BatchShares(
      placement: placement, layerRow: 0, topology: topology, choice: choice)
    {
      // The other ranks have no tokens.
      var counts = Array(repeating: Int32(0), count: 4 * placement.expertCount)
      for expert in experts where expert >= 0 {
        counts[rank * placement.expertCount + Int(expert)] += 1
      }
      counts.withUnsafeBufferPointer {
        shares.solve($0)
        shares.fill(workspace.shares, ofSource: rank, $0)
      }
    }
    slots.withUnsafeMutableBufferPointer { slots in
      // Scratch may hold what another batch left.
      if !choice.needsCounts { table.choose(decision, into: slots, workspace) }
      table.choose(decision, into: slots, workspace)
    }
    return slots
  }

  private func traffic(_ choice: ReplicaChoice) throws -> LayerTraffic {
    let placement = try threeCopies()
    var counters = TrafficCounters(placement: placement, topology: topology)
    for rank in 0..<4 {
      let chosen = slots(placement, from: rank, choice, experts: Array(repeating: 0, count: 12))
      chosen.withUnsafeBufferPointer {
        counters.add(layerRow: 0, sourceRank: rank, slots: $0, topK: 1)
      }
    }
    return counters.layer(0)
  }

  /// Each of 4 ranks sends 12 assignments.
  @Test func turnsAreEvenAndNearestStaysOnTheNode() throws {
    let inTurn = try traffic(.expertRoundRobin)
    #expect(inTurn.receivedPerRank == [16, 16, 16, 0])
    #expect(inTurn.offNodeRaw == 24)
    let nearest = try traffic(.nearest)
    #expect(nearest.receivedPerRank == [12, 12, 24, 0])
    #expect(nearest.offNodeRaw == 0)
    let counts = ListedTokens(counts: [[12], [12], [12], [12]])
    let local = try counts.counters(threeCopies(), topology, .localSplit).layer(0)
    #expect(local.receivedPerRank == [16, 16, 16, 0])
    #expect(local.offNodeRaw == 8)
  }

  @Test func turnsStartAtTheSourceRankAndCountPerExpert() throws {
    // Expert 0 in slots 0 and 2, expert 1 in slot 1.
    let placement = try ExpertPlacement(
      name: "p", layers: [0], expertCount: 2, slotOffsets: [0, 1, 2, 3, 3],
      physicalToLogical: [[0, 1, 0]])
    let experts: [Int32] = [0, 1, 1, 0, 0, 1]
    #expect(
      slots(placement, from: 0, .expertRoundRobin, topK: 2, experts: experts) == [0, 1, 1, 2, 0, 1])
    #expect(
      slots(placement, from: 1, .expertRoundRobin, topK: 2, experts: experts) == [2, 1, 1, 0, 2, 1])
  }

  @Test func droppedAssignmentsStayDroppedAndUseNoTurn() throws {
    let placement = try threeCopies()
    #expect(
      slots(placement, from: 0, .expertRoundRobin, experts: [0, -1, 0, -1, 0, 0])
        == [0, -1, 1, -1, 2, 0])
  }

  @Test func nearestFallsBackToAllCopiesInTurn() throws {
    // Copies on ranks 0 and 1 only: rank 2 and 3 are on another node.
    let placement = try ExpertPlacement(
      name: "p", layers: [0], expertCount: 1, slotOffsets: [0, 1, 2, 2, 2],
      physicalToLogical: [[0, 0]])
    #expect(slots(placement, from: 0, .nearest, experts: [0, 0]) == [0, 0])
    #expect(slots(placement, from: 3, .nearest, experts: [0, 0, 0]) == [1, 0, 1])
  }

  @Test(arguments: ReplicaChoice.allCases)
  func everyAssignmentGoesToACopyOfItsExpert(choice: ReplicaChoice) throws {
    let source = ZipfWorkload(exponent: 1, expertCount: 16, topK: 4, layerCount: 1, seed: 5)
    let load = LoadHistogram(source: source, layers: [0], steps: 0..<1, windowSize: 200)
    let placement = try EPLBPlacement(policy: .global).place(
      PlacementProblem(load: load, topology: topology, extraSlots: 7), name: "p")
    var decision = RoutingDecision(tokenCount: 200, topK: 4)
    let positions = (0..<200).map { Int32($0) }
    source.route(layer: 0, step: 0, positions: positions.span, into: &decision)
    for rank in 0..<4 {
      let chosen = slots(
        placement, from: rank, choice, topK: 4, experts: decision.expertIndices)
      #expect(
        chosen.map { placement.physicalToLogical[0][Int($0)] } == decision.expertIndices)
      // In turn: the copies of an expert differ by at most one use.
      guard choice == .expertRoundRobin else { continue }
      let copies = placement.logicalToPhysical(layerRow: 0)
      for expert in 0..<16 {
        let uses = copies.slots[copies.offsets[expert]..<copies.offsets[expert + 1]].map { slot in
          chosen.filter { $0 == slot }.count
        }
        #expect(uses.max()! - uses.min()! <= 1)
      }
    }
  }

  /// Two choices per token, the hot expert always first; two copies of it.
  @Test func flatPositionsTieACopyToAPlaceAmongTheChoices() throws {
    let placement = try ExpertPlacement(
      name: "hot", layers: [0], expertCount: 3, slotOffsets: [0, 2, 4, 4, 4],
      physicalToLogical: [[0, 1, 0, 2]])
    let experts = (0..<100).flatMap { [Int32(0), Int32(1 + $0 % 2)] }
    func uses(_ choice: ReplicaChoice) -> [Int] {
      let chosen = slots(placement, from: 0, choice, topK: 2, experts: experts)
      return [0, 2].map { slot in chosen.count { $0 == slot } }
    }
    #expect(uses(.flatModulo) == [100, 0])
    #expect(uses(.tokenHash) == [50, 50])
    #expect(uses(.expertRoundRobin) == [50, 50])
    #expect(uses(.minMaxSplit) == [50, 50])
  }

  @Test func hashesAreThoseOfKnuth() throws {
    // 0, 2654435769, 1013904242, 3668340011, 2027808484 modulo 3.
    #expect(
      slots(try threeCopies(), from: 2, .tokenHash, experts: [0, 0, 0, 0, 0]) == [0, 0, 2, 2, 1])
  }

  @Test func aRankAlwaysUsesTheSameCopy() throws {
    for rank in 0..<4 {
      #expect(
        slots(try threeCopies(), from: rank, .rankStatic, experts: [0, -1, 0])
          == [Int32(rank % 3), -1, Int32(rank % 3)])
    }
  }

  @Test func randomDrawsAreUniformAndDifferBetweenRanks() throws {
    let experts = Array(repeating: Int32(0), count: 3000)
    let drawn = try (0..<2).map { slots(try threeCopies(), from: $0, .random, experts: experts) }
    for slot in 0..<3 {
      let count = drawn[0].count { $0 == slot }
      // Six standard deviations of a binomial count of mean 1000.
      #expect(abs(count - 1000) < 155)
    }
    let equal = zip(drawn[0], drawn[1]).count { $0 == $1 }
    #expect(abs(equal - 1000) < 155)
  }

  @Test func coverPrefersTheOwnRankThenTheNodeThenWhoServesMost() throws {
    // Ranks 0, 1 on node 0; 2, 3 on node 1.
    let placement = try ExpertPlacement(
      name: "cover", layers: [0], expertCount: 6, slotOffsets: [0, 2, 4, 7, 11],
      physicalToLogical: [[0, 1, 2, 3, 0, 2, 4, 1, 3, 4, 5]])
    // From rank 0: 0 on its own rank, 2 on rank 1 of its node, 4 and 5 on rank 3, which has both.
    #expect(slots(placement, from: 0, .setCover, topK: 4, experts: [4, 0, 5, 2]) == [9, 0, 10, 2])
    // From rank 3: 1 and 4 at home, 0 and 2 on its node's rank 2, though rank 1 is as good for 2.
    #expect(slots(placement, from: 3, .setCover, topK: 4, experts: [0, 1, 2, 4]) == [4, 7, 5, 9])
    // Dropped ones ask for nothing.
    #expect(
      slots(placement, from: 1, .setCover, topK: 4, experts: [-1, -1, 5, -1]) == [-1, -1, 10, -1])
  }

  @Test func coverDrawsLotsBetweenRanksThatServeAlike() throws {
    // Two experts together on ranks 2 and 3, on the other node.
    let placement = try ExpertPlacement(
      name: "lots", layers: [0], expertCount: 2, slotOffsets: [0, 0, 0, 2, 4],
      physicalToLogical: [[0, 1, 0, 1]])
    let chosen = slots(
      placement, from: 0, .setCover, topK: 2, experts: (0..<2000).map { Int32($0 % 2) })
    for token in 0..<1000 { #expect(chosen[2 * token] + 1 == chosen[2 * token + 1]) }
    // Six standard deviations of a fair coin thrown 1000 times.
    #expect(abs(chosen.count { $0 == 0 } - 500) < 95)
  }

  /// What can stay on the rank or node stays there, and tokens go to fewer ranks than in turn.
  @Test func coverStaysNearAndTogether() throws {
    var (together, inTurn) = (0, 0)
    for number in 0..<100 {
      let instance = try RandomInstance(number, ranks: 2...6, experts: 3...7, tokens: 12)
      let cover = instance.counters(.setCover).layer(0)
      for choice in ReplicaChoice.allCases {
        let other = instance.counters(choice).layer(0)
        #expect(cover.offNodeRaw <= other.offNodeRaw, "\(choice) of \(number)")
        #expect(cover.local >= other.local, "\(choice) of \(number)")
      }
      together += cover.tokenRankPairs
      inTurn += instance.counters(.expertRoundRobin).layer(0).tokenRankPairs
    }
    #expect(together < inTurn)
  }

  @Test func theWordsOfTheCommandLineAreTheRawValues() {
    #expect(
      ReplicaChoice.allCases.map(\.rawValue) == [
        "expert-rr", "nearest", "token-hash", "flat-mod", "rank-static", "random", "tier-wrr",
        "split", "split-local", "fewest-active", "cover",
      ])
  }
}
