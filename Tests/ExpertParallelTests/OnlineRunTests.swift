// SPDX-License-Identifier: Apache-2.0
// epsim: tests of experts that move while steps go on, and of a rank that loses its experts.

import CostModel
import ExpertParallel
import Kernels
import MPI
import MoE
import Placement
import TestSupport
import Testing
import Workloads

@Suite struct RebalancePolicyTests {
  @Test func policiesAskWhenTheySay() throws {
    let interval = try RebalancePolicy(parsing: "interval:4")
    #expect(interval.window == 8 && interval.gain == 0.05 && interval.moves)
    #expect((0..<13).filter { interval.asks(beforeStep: $0, maxOverMean: 1) } == [4, 8, 12])
    let threshold = try RebalancePolicy(parsing: "threshold:1.5:window=3:gain=0")
    #expect((0..<10).filter { threshold.asks(beforeStep: $0, maxOverMean: 1.6) } == [3, 6, 9])
    #expect(!threshold.asks(beforeStep: 3, maxOverMean: 1.5))
    let never = try RebalancePolicy(parsing: "never")
    #expect(!never.moves && !never.asks(beforeStep: 8, maxOverMean: 9))
  }

  @Test func policiesRefuseWhatGainsTooLittle() throws {
    func placement(_ slots: [Int32]) throws -> ExpertPlacement {
      try ExpertPlacement(
        name: "p", layers: [0], expertCount: 4, slotOffsets: [0, 2, 4], physicalToLogical: [slots])
    }
    let load = LoadHistogram(layers: [0], rows: [[50, 50, 60, 40]])
    // 100 and 100 either way; 110 and 90 becomes 100 and 100, a gain of 1/11.
    let (even, other, uneven) = (
      try placement([0, 1, 2, 3]), try placement([1, 0, 3, 2]), try placement([0, 2, 1, 3])
    )
    let tenth = try RebalancePolicy(parsing: "interval:4:gain=0.1")
    let eleventh = try RebalancePolicy(parsing: "interval:4:gain=0.09")
    #expect(try !tenth.accepts(even, insteadOf: uneven, load: load))
    #expect(try eleventh.accepts(even, insteadOf: uneven, load: load))
    let any = try RebalancePolicy(parsing: "interval:4:gain=0")
    #expect(try !any.accepts(other, insteadOf: even, load: load))
    #expect(try !any.accepts(even, insteadOf: even, load: load))
  }

  @Test(arguments: [
    "", "often", "never:3", "interval:0", "interval:x", "interval:4:gain=2", "threshold:0.5",
    "threshold:nan", "interval:4:window=0", "interval:4:limit=2",
  ])
  func wrongPoliciesAreRefused(text: String) {
    #expect(throws: InputError.self) { try RebalancePolicy(parsing: text) }
  }

  @Test(arguments: ["", "1", "1@", "@3", "-1@3", "1@-3", "1@2@3", "+1@2", "1@9999999999999999999"])
  func wrongLossesAreRefused(text: String) {
    #expect(throws: InputError.self) { try LostShard(parsing: text) }
  }

  @Test func replicasTakeOverAndOrphansGoToTheOthers() throws {
    let placement = try ExpertPlacement(
      name: "p", layers: [2, 5], expertCount: 5, slotOffsets: [0, 2, 5, 7],
      physicalToLogical: [[0, 1, 2, 3, 0, 4, 3], [4, 1, 0, 2, 3, 1, 4]])
    let left = try placement.losing(rank: 1)
    #expect(left.slotOffsets == [0, 4, 4, 7])
    // Layer 2 lost expert 2 alone, layer 5 lost 0, 2 and 3.
    #expect(left.physicalToLogical == [[0, 1, 2, 0, 4, 3, 4], [4, 1, 0, 3, 1, 4, 2]])
    #expect(left.slotCount == placement.slotCount)
    let alone = try ExpertPlacement(
      name: "p", layers: [0], expertCount: 1, slotOffsets: [0, 1], physicalToLogical: [[0]])
    #expect(throws: InputError.self) { try alone.losing(rank: 0) }
  }
}

@Suite("Online run", .serialized) @MainActor
struct OnlineRunTests {
  private func scenario(_ from: String, _ to: String, steps: Int) -> Scenario {
    Scenario(
      layers: [1, 3], steps: steps,
      workload: HotSetWorkload(
        .rotating(every: 6), heat: 0.8, rankCount: 3, expertCount: 10, topK: 3, layerCount: 4,
        seed: 5),
      nodes: 2, placements: [from, to])
  }

  private func run(
    _ scenario: Scenario, _ policies: [String], lost: LostShard? = nil,
    relabelling: Relabelling = .node
  ) throws -> OnlineRun.Outcome? {
    let world = SharedMPI.world
    var configuration = try scenario.configuration(ranks: world.size)
    if let lost {
      for runCase in configuration.cases {
        var without = runCase
        without.placement = try runCase.placement.losing(rank: lost.rank)
        configuration.cases.append(without)
      }
    }
    let topology = configuration.topology
    let target = try PlacementSpec(parsing: scenario.placements[1])
    return try OnlineRun(
      configuration,
      plans: policies.map { policy in
        OnlinePlan(try RebalancePolicy(parsing: policy), relabelling: relabelling) { load, _ in
          try target.place(load: load, topology: topology, groups: 1, modelLayers: [])
        }
      }, lostShard: lost
    ).run(on: world, context: sharedKernels.get())
  }

  private func run(
    _ scenario: Scenario, _ policy: String, lost: LostShard? = nil,
    relabelling: Relabelling = .node
  ) throws -> OnlineCourse? {
    try run(scenario, [policy], lost: lost, relabelling: relabelling)?.courses[0]
  }

  @Test("every policy computes the same, and moves when it says")
  func policies() throws {
    var digests: Set<UInt64> = []
    for policy in ["never", "interval:5:window=5:gain=0", "threshold:1.05:window=4"] {
      guard let course = try run(scenario("contiguous", "eplb+5", steps: 18), policy) else {
        continue
      }
      digests.insert(course.digest)
      #expect(course.steps.count == 18)
      #expect(course.steps.allSatisfy { $0.timeUs > 0 && $0.maxOverMean >= 1 })
      let moved = course.steps.indices.filter { course.steps[$0].move != nil }
      switch policy.prefix(5) {
      case "never": #expect(moved.isEmpty && course.refusedCount == 0)
      case "inter":
        #expect(moved.allSatisfy { [5, 10, 15].contains($0) })
        #expect(moved.count + course.refusedCount == 3)
        #expect(SharedMPI.world.size == 1 || !moved.isEmpty)
      default: #expect(moved.allSatisfy { $0.isMultiple(of: 4) })
      }
    }
    try expectOnAllRanks(SharedMPI.world.rank != 0 || digests.count == 1, "\(digests)")
  }

  @Test("plans side by side do what each does alone; little memory runs them in turn")
  func interleaved() throws {
    let policies = ["never", "interval:5:window=5:gain=0", "threshold:1.05:window=4"]
    var scenario = scenario("contiguous", "eplb+5", steps: 12)
    let together = try run(scenario, policies)
    // Enough for one plan, not for three.
    scenario.memoryLimit = try leastMemory(scenario)
    let inTurn = try run(scenario, policies)
    for (index, policy) in policies.enumerated() {
      let alone = try run(scenario, policy)
      guard let alone, let together, let inTurn else { continue }
      #expect(together.isInterleaved && !inTurn.isInterleaved)
      for course in [together.courses[index], inTurn.courses[index]] {
        #expect(course.digest == alone.digest && course.refusedCount == alone.refusedCount)
        #expect(course.steps.map(\.maxOverMean) == alone.steps.map(\.maxOverMean))
        #expect(
          course.steps.map { $0.move?.migration.movedExperts }
            == alone.steps.map { $0.move?.migration.movedExperts })
      }
    }
  }

  /// The least limit, within a twentieth, with which one plan runs.
  private func leastMemory(_ scenario: Scenario) throws -> Int {
    var (low, high) = (1 << 10, 1 << 30)
    while high - low > high / 20 {
      var limited = scenario
      limited.memoryLimit = (low + high) / 2
      do {
        _ = try run(limited, "never")
        high = (low + high) / 2
      } catch is InputError {
        low = (low + high) / 2
      }
    }
    return high
  }

  @Test("ranks that change places move fewer experts and compute the same")
  func relabelling() throws {
    // Random ranks stand nowhere in particular, so every re-fit moves most experts.
    var scenario = scenario("random:3", "lpt", steps: 8)
    scenario.nodes = 1
    let courses = try [Relabelling.none, .node].map {
      try run(scenario, "interval:7:window=7:gain=0", relabelling: $0)
    }
    guard let numbered = courses[0], let relabelled = courses[1] else { return }
    #expect(numbered.digest == relabelled.digest)
    guard let first = numbered.steps[7].move, let second = relabelled.steps[7].move else {
      #expect(SharedMPI.world.size == 1)
      return
    }
    #expect(second.migration.movedExperts < first.migration.movedExperts)
    #expect(second.migration.bytes < first.migration.bytes)
  }

  @Test("a lost shard changes no output, and is filled again")
  func lostShard() throws {
    let world = SharedMPI.world
    guard world.size > 1 else { return }
    let scenario = scenario("eplb+4", "eplb+4", steps: 12)
    let whole = try run(scenario, "never")
    let course = try run(scenario, "never", lost: LostShard(rank: 1, step: 2))
    guard let whole, let course else { return }
    #expect(course.digest == whole.digest)
    let loss = try #require(course.steps[2].move)
    #expect(loss.cause == .loss && loss.lostExperts > 0)
    #expect(loss.migration.recreatedExperts <= loss.lostExperts)
    let restored = try #require(course.steps[10].move)
    #expect(restored.cause == .restore && restored.migration.movedExperts > 0)
    #expect(restored.migration.bytes > 0 && restored.migration.recreatedExperts == 0)
    #expect(course.steps.count { $0.move != nil } == 2)
  }
}
