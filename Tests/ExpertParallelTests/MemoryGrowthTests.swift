// SPDX-License-Identifier: Apache-2.0
// epsim: a rank needs no more memory the longer it runs.

import CostModel
import ExpertParallel
import Foundation
import Kernels
import MPI
import MoE
import TestSupport
import Testing
import Workloads

@Suite("Growth of memory", .serialized) @MainActor
struct MemoryGrowthTests {
  /// Bytes of this process in memory; nil where the system does not tell.
  private static func residentBytes() -> Int? {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8),
      let pages = text.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
    else { return nil }
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
  }

  @Test(
    "less than 1 MiB in a thousand steps of every exchange",
    .enabled(if: SharedMPI.launchedRanks <= 2, "ranks share cores: too slow"))
  func steps() throws {
    // MPI and the kernels fill their pools first. Steps of warm-up leave no results behind.
    let (first, last) = (200, 1200)
    let scenario = Scenario(
      layers: [1], tokens: 12, steps: 1, warmup: last,
      workload: ZipfWorkload(exponent: 1.2, expertCount: 10, topK: 3, layerCount: 4, seed: 9),
      schemes: schemes(combine: .exact, wire: .fp8)
        + schemes(combine: .preReduced, wire: .f32, combineWire: .bf16),
      compute: .none)
    let configuration = try scenario.configuration(ranks: SharedMPI.world.size)
    var bytes: [Int: Int] = [:]
    let start = ContinuousClock.now
    _ = try InterleavedRun(configuration).run(
      on: SharedMPI.world, context: sharedKernels.get(),
      progress: { progress in
        for round in [first, last] where progress.finishedSteps == round * configuration.cases.count
        {
          bytes[round] = Self.residentBytes()
        }
      })
    let growth = (bytes[last] ?? 0) - (bytes[first] ?? 0)
    if SharedMPI.world.rank == 0 {
      print(
        "growth of memory: \(growth) bytes in \(last - first) steps of "
          + "\(configuration.cases.count) cases, \(ContinuousClock.now - start)")
    }
    try expectOnAllRanks(growth < 1 << 20, "\(growth) bytes, \(bytes)")
  }
}
