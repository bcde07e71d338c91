// SPDX-License-Identifier: Apache-2.0
// epsim: tests of routers and capacities in the distributed layer.

import ExpertParallel
import MPI
import MoE
import Placement
import TestSupport
import Testing
import Workloads

@Suite("Routers and capacity on ranks", .serialized) @MainActor
struct RoutingVariationTests {
  private let zipf = ZipfWorkload(
    exponent: 1.1, expertCount: 10, topK: 3, layerCount: 4, seed: 5)

  private func expectOneDigest(_ scenario: Scenario, _ what: String) throws {
    let digests = try scenario.digests()
    try expectOnAllRanks(
      SharedMPI.world.rank != 0 || digests.count == 1, "\(what): digests \(digests)")
  }

  @Test(
    "routers that look at one token give the same output for every rank count",
    arguments: [
      "router", "router:sigmoid", "router:chosen-softmax", "router:switch", "router:noisy:0.5",
      "router:jitter", "router:hash",
    ])
  func tokenRouters(router: String) throws {
    try expectOneDigest(
      Scenario(router: router, assignment: .roundRobin, placements: ["contiguous", "random:3"]),
      router)
  }

  @Test(
    "global capacity gives the same output for every rank count",
    arguments: CapacityRule.DropPolicy.allCases)
  func globalCapacity(policy: CapacityRule.DropPolicy) throws {
    let rule = CapacityRule(factor: 0.7, policy: policy, scope: .global)
    for assignment in [TokenAssignment.block, .roundRobin] {
      try expectOneDigest(Scenario(capacity: rule, assignment: assignment), "live \(policy)")
      guard policy != .reroute else { continue }
      try expectOneDigest(
        Scenario(workload: zipf, capacity: rule, assignment: assignment), "zipf \(policy)")
    }
  }

  @Test("a rank's capacity drops what is counted by hand, and counters say so")
  func rankCapacity() throws {
    let rule = CapacityRule(factor: 1, policy: .position, scope: .rank)
    let scenario = Scenario(workload: zipf, capacity: rule)
    let ranks = SharedMPI.world.size
    guard let result = try scenario.run(ranks: ranks) else { return }
    let configuration = try scenario.configuration(ranks: ranks)
    for (step, counters) in result.cases[0][0].traffic.enumerated() {
      for (row, layer) in scenario.layers.enumerated() {
        var dropped = 0
        for rank in 0..<ranks {
          let positions = configuration.rankOfPosition[step + 1].indices
            .filter { configuration.rankOfPosition[step + 1][$0] == Int32(rank) }.map { Int32($0) }
          var decision = RoutingDecision(tokenCount: positions.count, topK: 3)
          zipf.route(
            layer: layer, step: step + 1, positions: positions.span, into: &decision)
          let capacity = rule.capacity(tokens: positions.count, topK: 3, expertCount: 10)
          for expert in 0..<Int32(10) {
            dropped += max(0, decision.expertIndices.count { $0 == expert } - capacity)
          }
        }
        #expect(counters.layer(row).droppedAssignments == dropped)
        #expect(dropped > 0)
      }
    }
  }

  @Test(
    "the output is that of the reference layer, with every router and what it drops",
    arguments: [
      ("router:expert-choice", nil), ("router:sinkhorn", nil), ("router:balanced", nil),
      ("router:sqrt-softplus", CapacityRule(factor: 0.8, policy: .probability)),
      ("router", CapacityRule(factor: 1, policy: .reroute, scope: .global)),
    ] as [(String, CapacityRule?)])
  func reference(router: String, capacity: CapacityRule?) throws {
    let scenario = Scenario(
      router: router, capacity: capacity, placements: ["contiguous"], checksReference: true)
    guard let result = try scenario.run(ranks: SharedMPI.world.size) else { return }
    let error = try #require(result.cases[0][0].referenceError)
    #expect(error < 1e-5, "\(router) \(error)")
  }

  @Test("expert choice fills every expert, forced balance every rank")
  func balance() throws {
    let ranks = SharedMPI.world.size
    let choice = Scenario(router: "router:expert-choice")
    if let result = try choice.run(ranks: ranks) {
      let configuration = try choice.configuration(ranks: ranks)
      for counters in result.cases[0][0].traffic {
        // C = ceil(T K / E) of every rank's batch.
        let expected = (0..<ranks).reduce(0) { sum, rank in
          sum + (configuration.rankOfPosition[1].count { $0 == Int32(rank) } * 3 + 9) / 10
        }
        for row in choice.layers.indices {
          #expect(counters.rowsPerSlot(layerRow: row) == Array(repeating: expected, count: 10))
        }
      }
    }
    let balanced = Scenario(tokens: 2, router: "router:balanced")
    if let result = try balanced.run(ranks: ranks) {
      for counters in result.cases[0][0].traffic {
        for row in balanced.layers.indices {
          #expect(counters.layer(row).receivedPerRank.allSatisfy { $0 > 0 })
        }
      }
    }
  }
}

@Suite("Balance sums and bias on ranks", .serialized) @MainActor
struct BalanceOnRanksTests {
  private func balance(_ scenario: Scenario, ranks: Int) throws -> [LayerBalance]? {
    var scenario = scenario
    scenario.balance = BalanceRequest(sequenceLength: 8)
    return try scenario.run(ranks: ranks)?.cases[0][0].balance
  }

  @Test("losses over the step and its sequences are those of one rank", arguments: [true, false])
  func independenceOfRanks(isGlobal: Bool) throws {
    let rule = isGlobal ? CapacityRule(factor: 0.5, scope: .global) : nil
    let scenario = Scenario(router: "router:sigmoid", capacity: rule, assignment: .roundRobin)
    guard let alone = try balance(scenario, ranks: 1) else {
      _ = try balance(scenario, ranks: SharedMPI.world.size)
      return
    }
    let together = try #require(try balance(scenario, ranks: SharedMPI.world.size))
    #expect(alone.count == 3)
    for (one, many) in zip(alone, together) {
      #expect(one.byRank.total.counts == many.byRank.total.counts)
      #expect(one.byRank.total.tokenCount == 37 && one.byRank.total.assignmentCount == 111)
      #expect(abs(one.sequenceLoss - many.sequenceLoss) < 1e-9)
      #expect(abs(one.byRank.globalLoss - many.byRank.globalLoss) < 1e-9)
      #expect(abs(one.byRank.total.zLoss - many.byRank.total.zLoss) < 1e-9)
      #expect(one.byRank.segmentLoss == one.byRank.globalLoss)
      // Small batches are less balanced than their sum.
      if SharedMPI.world.size > 1 { #expect(many.byRank.segmentLoss > many.byRank.globalLoss) }
    }
  }

  @Test("looked-up choices have loads and no probabilities")
  func lookedUp() throws {
    let zipf = ZipfWorkload(exponent: 1, expertCount: 10, topK: 3, layerCount: 4, seed: 5)
    let sums = try balance(Scenario(workload: zipf), ranks: SharedMPI.world.size)
    for layer in sums ?? [] {
      #expect(!layer.hasProbabilities && layer.byRank.total.assignmentCount == 111)
      #expect(layer.byRank.total.probabilities.allSatisfy { $0 == 0 })
    }
  }

  @Test("a bias that follows the load evens it out, alike for every rank count")
  func biasUpdate() throws {
    func excess(_ rate: Double?, ranks: Int) throws -> [Double]? {
      let scenario = Scenario(
        tokens: 1000, steps: 20, router: "router:sigmoid", biasUpdateRate: rate)
      let course = try scenario.run(ranks: ranks)?.cases[0][0].traffic.map(\.expertMaxOverMean)
      return course?.suffix(8).map { $0 - 1 }
    }
    let fixed = try excess(nil, ranks: 1)
    var courses: Set<[Double]> = []
    for ranks in 1...SharedMPI.world.size {
      guard let course = try excess(0.005, ranks: ranks) else { continue }
      if ranks == 1, let fixed {
        let (with, without) = (course.reduce(0, +), fixed.reduce(0, +))
        #expect(with < 0.7 * without)
      }
      courses.insert(course)
    }
    #expect(SharedMPI.world.rank != 0 || courses.count == 1)
  }
}
