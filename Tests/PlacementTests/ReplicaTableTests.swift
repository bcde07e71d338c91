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
    // Scratch may hold anything.
    var uses = Array(repeating: Int32(77), count: placement.expertCount)
    slots.withUnsafeMutableBufferPointer { slots in
      uses.withUnsafeMutableBufferPointer { table.choose(decision, into: slots, uses: $0) }
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

  @Test func theWordsOfTheCommandLineAreTheRawValues() {
    #expect(ReplicaChoice.allCases.map(\.rawValue) == ["expert-rr", "nearest"])
  }
}
