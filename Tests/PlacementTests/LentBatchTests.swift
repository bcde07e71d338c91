// SPDX-License-Identifier: Apache-2.0
// epsim: tests of batches whose tokens use experts that ranks lend each other.

import CostModel
import MoE
import Placement
import Testing
import Workloads

@Suite struct LentBatchTests {
  private func batch(
    _ tokens: ListedTokens, _ placement: ExpertPlacement, _ topology: Topology
  ) throws -> ServedBatch {
    try WorkloadTraffic(
      source: tokens, placement: placement, topology: topology, choice: .expertRoundRobin
    ).batches(step: 0, rankOfPosition: tokens.sources)[0]
  }

  private func placement(_ ranks: [[Int32]], experts: Int) throws -> ExpertPlacement {
    try ExpertPlacement(
      name: "given", layers: [0], expertCount: experts,
      slotOffsets: ranks.reduce(into: [0]) { $0.append($0.last! + $1.count) },
      physicalToLogical: [ranks.flatMap { $0 }])
  }

  private func lent(
    _ batch: ServedBatch, _ rule: String, _ topology: Topology, rows: Double = 0
  ) throws -> LentBatch {
    try LentBatch(
      batch, rule: TransientRule(parsing: rule), topology: topology, rowsPerExpert: rows)
  }

  private func rankLoads(_ batch: ServedBatch, _ topology: Topology) -> [Int] {
    batch.counters(on: topology).layer(0).receivedPerRank
  }

  /// Two experts on each of four ranks, one choice per token, all from rank 2.
  @Test func tokensFollowTheSpilledRows() throws {
    let topology = Topology(ranks: 4, nodes: 2)
    let loads = [80, 0, 10, 10, 20, 20, 30, 30]
    let idle = Array(repeating: 0, count: 8)
    let batch = try batch(
      ListedTokens(counts: [idle, idle, loads, idle]),
      placement([[0, 1], [2, 3], [4, 5], [6, 7]], experts: 8), topology)
    #expect(rankLoads(batch, topology) == [80, 20, 40, 60])
    let even = try lent(batch, "spill:1:least=1", topology)
    #expect(rankLoads(even.batch, topology) == [50, 50, 50, 50])
    #expect(
      even.loans == [ExpertLoan(expert: 0, from: 0, to: 1), ExpertLoan(expert: 6, from: 3, to: 2)])
    // Expert 0 has 50 rows at home and 30 in the last slot of rank 1.
    #expect(even.batch.placement.slotOffsets == [0, 2, 5, 8, 10])
    #expect(even.batch.rowsPerSlot == [50, 0, 10, 10, 30, 20, 20, 10, 20, 30])
    let loose = try lent(batch, "spill:1.2:least=1", topology)
    #expect(rankLoads(loose.batch, topology) == [60, 40, 40, 60])
    #expect(loose.loans == [ExpertLoan(expert: 0, from: 0, to: 1)])
    // Nothing is lent below the threshold: the largest load is 1.6 means.
    let idleRule = try lent(batch, "spill:1:least=1:threshold=1.7", topology)
    #expect(idleRule.loans.isEmpty && idleRule.batch.slots == batch.slots)
  }

  /// A copy on the rank that rows go to needs no weights; one on its node is the nearest.
  @Test func weightsComeFromTheNearestHolder() throws {
    let topology = Topology(ranks: 4, nodes: 2)
    let batch = ServedBatch(
      placement: try placement([[0], [1], [0], [2]], experts: 3), topK: 1,
      slots: [Array(repeating: 0, count: 90), [1, 1], [2, 2], [3]])
    #expect(rankLoads(batch, topology) == [90, 2, 2, 1])
    let spilled = try lent(batch, "spill:1:least=1", topology)
    // 95 rows: 23 for each rank, the last three are forced. Rank 2 has a copy already.
    #expect(spilled.loans.map(\.to).sorted() == [1, 3])
    #expect(spilled.loans.allSatisfy { $0.expert == 0 })
    #expect(spilled.loans.first { $0.to == 1 }?.from == 0)
    #expect(spilled.loans.first { $0.to == 3 }?.from == 2)
    #expect(rankLoads(spilled.batch, topology).max()! <= 26)
  }

  /// Every token keeps its experts; rows go where a list of them, in order, says.
  @Test func spilledBatchesEqualAListOfAllRows() throws {
    var (lending, rows) = (0, 0)
    for number in 0..<120 {
      let instance = try RandomInstance(number, ranks: 1...6, experts: 1...9, tokens: 40)
      let (placement, topology) = (instance.placement, instance.topology)
      let batch = try batch(instance.tokens, placement, topology)
      let rule = SpillPlan.Rule(limit: number % 2 == 0 ? 1 : 1.25, leastRows: 3, threshold: 1.1)
      let spilled = try lent(
        batch, "spill:\(rule.limit):least=3:threshold=1.1", topology)
      expectConsistent(batch, spilled, topology)

      let order = (0..<placement.slotCount).sorted {
        (placement.physicalToLogical[0][$0], $0) < (placement.physicalToLogical[0][$1], $1)
      }
      let served = batch.rowsPerSlot
      let plan = SpillPlan(
        loads: order.map { served[$0] }, rankOfExpert: order.map { placement.rank(ofSlot: $0) },
        rankCount: topology.rankCount, rule: rule)
      #expect(rankLoads(spilled.batch, topology) == plan.rankLoads)
      lending += spilled.loans.isEmpty ? 0 : 1
      for (item, slot) in order.enumerated() {
        let given = plan.transfers.filter { $0.expert == item }
        var ranks = Array(
          repeating: placement.rank(ofSlot: slot),
          count: served[slot] - given.reduce(0) { $0 + $1.rows })
        for transfer in given { ranks += Array(repeating: transfer.to, count: transfer.rows) }
        let went = zip(batch.slots.joined(), spilled.batch.slots.joined())
          .filter { Int($0.0) == slot }.map { spilled.batch.placement.rank(ofSlot: Int($0.1)) }
        #expect(went == ranks, "\(number)")
        rows += ranks.count
      }
    }
    #expect(lending > 60 && rows > 4000)
  }

  @Test func shadowedRowsStayAndOthersGoWhereTheyWent() throws {
    var lending = 0
    for number in 0..<120 {
      let instance = try RandomInstance(number, ranks: 1...6, experts: 1...9, tokens: 40)
      let (placement, topology) = (instance.placement, instance.topology)
      let batch = try batch(instance.tokens, placement, topology)
      let until = number % 2 == 0 ? "first-stop" : "best-prefix"
      let shadowed = try lent(batch, "shadow:\(until)", topology, rows: 2)
      expectConsistent(batch, shadowed, topology)
      let isLent = Set(shadowed.loans.map(\.expert))
      lending += isLent.isEmpty ? 0 : 1
      for (source, slots) in batch.slots.enumerated() {
        for (old, new) in zip(slots, shadowed.batch.slots[source]) where old >= 0 {
          let rank = shadowed.batch.placement.rank(ofSlot: Int(new))
          let expert = Int(placement.physicalToLogical[0][Int(old)])
          // An expert that all ranks hold is lent to none and may be used at home.
          if instance.hosts(of: expert).count < topology.rankCount {
            #expect(
              rank == (isLent.contains(expert) ? source : placement.rank(ofSlot: Int(old))))
          }
        }
      }
      for expert in isLent {
        let chain = shadowed.loans.filter { $0.expert == expert }
        let hosts = instance.hosts(of: expert)
        #expect(chain.map(\.to).sorted() == (0..<topology.rankCount).filter { !hosts.contains($0) })
        #expect(Set(chain.map(\.from)).count == chain.count)
        // Only nodes without the expert get it from another one.
        let holding = Set(hosts.map { topology.nodeOfRank[$0] })
        #expect(
          chain.count { topology.nodeOfRank[$0.from] != topology.nodeOfRank[$0.to] }
            == topology.nodeCount - holding.count)
      }
    }
    #expect(lending > 50)
  }

  /// Same experts for every token, each on a rank that holds it or was lent it by one that had it.
  private func expectConsistent(_ old: ServedBatch, _ new: LentBatch, _ topology: Topology) {
    for (before, after) in zip(old.slots, new.batch.slots) {
      #expect(
        before.map { $0 < 0 ? -1 : old.placement.physicalToLogical[0][Int($0)] }
          == after.map { $0 < 0 ? -1 : new.batch.placement.physicalToLogical[0][Int($0)] })
    }
    var holders = (0..<topology.rankCount).map {
      Set(old.placement.experts(onRank: $0, layerRow: 0))
    }
    for loan in new.loans {
      #expect(holders[loan.from].contains(loan.expert))
      #expect(holders[loan.to].insert(loan.expert).inserted)
    }
    for rank in 0..<topology.rankCount {
      #expect(Set(new.batch.placement.experts(onRank: rank, layerRow: 0)) == holders[rank])
    }
  }

  @Test func batchesOfAWorkloadHaveItsCounters() throws {
    for number in 0..<30 {
      let instance = try RandomInstance(number, ranks: 1...6, experts: 2...9, tokens: 30)
      let batch = try batch(instance.tokens, instance.placement, instance.topology)
      #expect(
        batch.counters(on: instance.topology).values == instance.counters(.expertRoundRobin).values)
    }
  }

  @Test(arguments: [
    ("spil", "\"spil\" is unknown, accepted are spill[:LIMIT][:least=LEAST]"),
    ("", "is unknown"), ("spill:-1", "limit is \"-1\", accepted are numbers from 0 to 1000000"),
    ("spill:nan", "limit is \"nan\""), ("spill:1:2", "\"2\" does not fit spill"),
    ("spill:least=1.5", "least is \"1.5\", accepted are whole numbers"),
    ("shadow:best", "until is \"best\", accepted are first-stop, best-prefix"),
    ("shadow:rows=-2", "rows is \"-2\""), ("shadow:first-stop:until=best-prefix", "written twice"),
  ])
  func unknownRulesAreRefused(text: String, words: String) {
    #expect {
      try TransientRule(parsing: text)
    } throws: {
      "\($0)".contains(words) && "\($0)".hasPrefix("--per-batch")
    }
  }

  @Test func rulesHaveTheValuesOfTheirSources() throws {
    #expect(try TransientRule(parsing: "spill").method == .spill(SpillPlan.Rule()))
    #expect(
      try TransientRule(parsing: "spill:1.2:least=64:threshold=2").method
        == .spill(SpillPlan.Rule(limit: 1.2, leastRows: 64, threshold: 2)))
    #expect(
      try TransientRule(parsing: "shadow").method == .shadow(.firstStop, rowsPerExpert: nil))
    #expect(
      try TransientRule(parsing: "shadow:best-prefix:rows=40").method
        == .shadow(.bestPrefix, rowsPerExpert: 40))
    #expect(
      try TransientRule(parsing: "shadow:rows=0").method == .shadow(.firstStop, rowsPerExpert: 0))
  }
}
