// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the table that compares placements, and of its remarks.

import CostModel
import Placement
import Reporting
import Testing
import Workloads

@Suite struct PlacementLabTests {
  private let topology = Topology(ranks: 2, nodes: 2)

  /// Two experts on two ranks, of which rank 0 gets `first` of 100 assignments; tokens that leave
  /// their node as told.
  private func score(_ first: Int, leaving: Int) throws -> PlacementScore {
    let placement = try placement("any", slots: [0, 1])
    var counters = TrafficCounters(placement: placement, topology: topology)
    // Tokens of rank 0 that stay, of rank 1 that leave, of rank 0 that leave, of rank 1 that stay.
    let away = min(leaving, first)
    for (rank, slot, count) in [
      (1, Int32(0), away), (0, 0, first - away), (0, 1, leaving - away),
      (1, 1, 100 - first - leaving + away),
    ] {
      let slots = Array(repeating: slot, count: count)
      slots.withUnsafeBufferPointer {
        counters.add(layerRow: 0, sourceRank: rank, slots: $0, topK: 1)
      }
    }
    var scorer = PlacementScorer(prices: nil, topology: topology)
    scorer.add(counters)
    return try #require(scorer.score)
  }

  private func placement(_ name: String, slots: [Int32]) throws -> ExpertPlacement {
    try ExpertPlacement(
      name: name, layers: [0], expertCount: 2,
      slotOffsets: [0, slots.count / 2, slots.count], physicalToLogical: [slots])
  }

  private func row(
    _ name: String, slots: [Int32] = [0, 1], isFitted: Bool = true, summed: Double = 1.05,
    fitted: PlacementScore,
    judged: PlacementScore, regret: Double? = 0.1, choice: ReplicaChoice = .expertRoundRobin
  ) throws -> PlacementLabRecord.Row {
    PlacementLabRecord.Row(
      try placement(name, slots: slots),
      name: choice == .expertRoundRobin ? name : "\(name) \(choice.rawValue)", dedup: .none,
      combine: .exact, replicaChoice: choice, memoryBytesPerRank: Double(slots.count) * 1e9,
      summedLoadMaxOverMean: isFitted ? summed : nil, fitted: fitted, judged: judged,
      bound: StepBound(
        loads: [LoadHistogram(layers: [0], rows: [[50, 50]])], slotsPerRank: [1, 1]),
      regret: regret, movedSlots: 1, solveMs: 1)
  }

  private func record(_ rows: [PlacementLabRecord.Row]) -> PlacementLabRecord {
    PlacementLabRecord(
      rows, topology: topology, layers: 1, cluster: nil, fittedTokens: "tokens 0-99",
      judgedTokens: "tokens 100-199",
      movedFrom: rows[0].name)
  }

  @Test func scoresAreThoseOfTheCounters() throws {
    let score = try score(60, leaving: 70)
    #expect(score.load.maxOverMean == 1.2 && score.offNodeRaw == 0.7 && score.stepSeconds == nil)
    #expect(score.offNode(.node) == 0.7 && score.fanOutRanks == 1)
  }

  @Test func lostBalanceTrafficAndFrontsAreSaid() throws {
    let record = record([
      try row(
        "contiguous", isFitted: false, fitted: score(70, leaving: 40),
        judged: score(60, leaving: 40)),
      try row("lpt", summed: 1.004, fitted: score(50, leaving: 50), judged: score(65, leaving: 50)),
      try row("swap", fitted: score(55, leaving: 30), judged: score(58, leaving: 40)),
    ])
    let remarks = record.remarks.joined(separator: "\n")
    #expect(remarks.contains("lpt is worse balanced than contiguous on the judged tokens"))
    // 0.3 gained when fitted, 0.04 kept.
    #expect(remarks.contains("87 % of the balance that swap gains over contiguous"))
    #expect(remarks.contains("send more copies than contiguous: lpt 25 %"))
    #expect(!remarks.contains("fewer copies"))
    #expect(remarks.contains("With 1 slot per rank lpt is within 0.4 % of the mean"))
    // The bound is 1, the best 1.16.
    #expect(remarks.contains("Undecided: gap 16 %") && remarks.contains("14 % at most"))
    #expect(record.frontOfLoadAndTraffic == ["swap"] && record.frontOfTimeAndMemory == nil)
    let text = PlacementLabReport(record).text
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 100 }, "\(text)")
    #expect(text.contains("fitted to tokens 0-99, judged on tokens 100-199"))
  }

  @Test func whatCannotBeBetteredAndReplicasWithoutUseAreSaid() throws {
    let record = record([
      try row("lpt", fitted: score(52, leaving: 50), judged: score(52, leaving: 50)),
      try row(
        "eplb+2", slots: [0, 0, 1, 1], fitted: score(52, leaving: 50),
        judged: score(52, leaving: 50)),
    ])
    let remarks = record.remarks.joined(separator: "\n")
    #expect(remarks.contains("No plan can be more than 3.8 % better than lpt in load max/mean"))
    #expect(remarks.contains("no difference") && !remarks.contains("Undecided"))
    #expect(remarks.contains("eplb+2 holds 2 extra slots, 2.00 GB more"))
    #expect(remarks.contains("no better in load max/mean"))
    #expect(remarks.contains("eplb+2 puts 2 replicas"))
  }

  /// Plans with more memory have a verdict of their own; one placement with two choices of replicas
  /// is no rival of itself.
  @Test func everyNumberOfSlotsHasItsVerdict() throws {
    let record = record([
      try row("lpt", fitted: score(52, leaving: 50), judged: score(52, leaving: 50)),
      try row("swap", fitted: score(52, leaving: 50), judged: score(65, leaving: 50)),
      try row(
        "eplb+2", slots: [0, 1, 0, 1], fitted: score(60, leaving: 50),
        judged: score(70, leaving: 50)),
      try row(
        "eplb+2", slots: [0, 1, 0, 1], fitted: score(60, leaving: 50),
        judged: score(60, leaving: 50), choice: .nearest),
    ])
    #expect(record.remarks[0].hasPrefix("2 slots a layer: No plan can be more than 3.8 % better"))
    #expect(record.remarks[0].hasSuffix("It is the best here, 20 % below swap."))
    #expect(record.remarks[1].hasPrefix("4 slots a layer: Undecided: gap 20 %. eplb+2 nearest is"))
    #expect(record.replicaChoice == "expert-rr,nearest" && record.dedup == "none")
  }
}
