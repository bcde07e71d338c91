// SPDX-License-Identifier: Apache-2.0
// epsim: tests of what a case may vary beside its placement: compute, timing, disturbance.

import ExpertParallel
import Kernels
import MPI
import MoE
import Placement
import TestSupport
import Testing
import Timing
import Workloads

@Suite("Case variations", .serialized) @MainActor
struct CaseVariationTests {
  private let zipf = ZipfWorkload(
    exponent: 1, expertCount: 10, topK: 3, layerCount: 4, seed: 9)

  @Test("stand-ins carry every row there and back: one digest for all rank counts and placements")
  func standIns() throws {
    for compute in [ExpertCompute.none, .emulated(rate: 1e12)] {
      var scenario = Scenario(
        workload: zipf, placements: ["contiguous", "random:3", "eplb+6"],
        replicaChoices: [.expertRoundRobin, .nearest])
      scenario.compute = compute
      let digests = try scenario.digests()
      try expectOnAllRanks(
        SharedMPI.world.rank > 0 || digests.count == 1, "\(compute): \(digests)")
      scenario.compute = .real
      let real = try scenario.digests()
      try expectOnAllRanks(SharedMPI.world.rank > 0 || digests != real)
    }
  }

  @Test("emulated experts take the time that their rows need at the rate, or a little more")
  func emulatedTime() throws {
    // 2 operations for each of 3 H F parameters; 3 ms for a hundred rows.
    let perRow = 6.0 * 40 * 24
    var scenario = Scenario(layers: [1], tokens: 120, steps: 8, workload: zipf)
    scenario.compute = .emulated(rate: 100 * perRow / 0.003)
    guard let result = try scenario.run(ranks: SharedMPI.world.size) else { return }
    let entry = result.cases[0][0]
    for step in 0..<8 {
      let rows = entry.traffic[step].layer(0).receivedPerRank
      for (rank, count) in rows.enumerated() {
        let time = entry.timeline.time(of: .expert, rank: rank, step: step)
        #expect(time >= 30 * Double(count), "rank \(rank): \(count) rows in \(time) us")
      }
    }
  }

  @Test("injected time passes on its rank and leaves the output as it is")
  func disturbances() throws {
    let ranks = SharedMPI.world.size
    let plain = try Scenario(workload: zipf).run(ranks: ranks)
    var scenario = Scenario(workload: zipf)
    scenario.disturbance = Disturbance(
      delay: .init(rank: ranks - 1, microseconds: 2000), slowdown: .init(rank: 0, factor: 3),
      jitterMicroseconds: 100)
    let disturbed = try scenario.run(ranks: ranks)
    guard let plain = plain?.cases[0][0], let disturbed = disturbed?.cases[0][0] else { return }
    #expect(plain.digest == disturbed.digest)
    for step in 0..<scenario.steps {
      for layer in 0..<3 {
        let packed = disturbed.timeline.time(of: .pack, rank: ranks - 1, step: step, layer: layer)
        #expect(packed >= 2000)
      }
    }
  }

  @Test("barrier timing waits in barriers, tells so, and computes the same")
  func barriers() throws {
    let ranks = SharedMPI.world.size
    let plain = try Scenario(workload: zipf).run(ranks: ranks)
    var scenario = Scenario(workload: zipf)
    scenario.timing = .barrier
    scenario.disturbance = Disturbance(delay: .init(rank: 0, microseconds: 3000))
    let result = try scenario.run(ranks: ranks)
    guard let plain = plain?.cases[0][0], let entry = result?.cases[0][0] else { return }
    #expect(plain.digest == entry.digest)
    guard case .barrier(let cost) = entry.timeline.timing else {
      Issue.record("timing is \(entry.timeline.timing)")
      return
    }
    #expect(cost > 0)
    for step in 0..<scenario.steps where ranks > 1 {
      let times = entry.timeline.times(of: .dispatch, step: step)
      // The late rank is waited for in the barrier, in each of three layers. With more ranks than
      // cores another may be late as well, and a barrier costs much.
      let waited = times.dropFirst().map { $0.wait + $0.barrier }.max()!
      #expect(waited > 3 * 2000, "\(times)")
      #expect(entry.timeline.barrierExitSkew(step: step) > 0)
    }
  }

  @Test("a continued run measures the missing rounds and repeats the digest of the first")
  func continuation() throws {
    let world = SharedMPI.world
    let configuration = try Scenario(
      steps: 5, workload: zipf, placements: ["contiguous", "lpt"]
    ).configuration(ranks: world.size)
    var partial: [RunResult] = []
    let whole = try InterleavedRun(configuration).run(
      on: world, context: sharedKernels.get(), roundFinished: { partial.append($0()) })
    let rest = try InterleavedRun(configuration).run(
      on: world, context: sharedKernels.get(), finishedRounds: [3])
    guard let whole, let rest else { return }
    #expect(partial.map { $0.cases[1][0].timeline.stepCount } == [1, 2, 3, 4, 5])
    #expect(partial.allSatisfy { !$0.isComplete } && whole.isComplete && rest.isComplete)
    for (first, second) in zip(whole.cases, rest.cases) {
      #expect(second[0].timeline.stepCount == 2)
      #expect(second[0].digest == first[0].digest)
      #expect(second[0].traffic.map(\.values) == first[0].traffic.suffix(2).map(\.values))
    }
  }
}
