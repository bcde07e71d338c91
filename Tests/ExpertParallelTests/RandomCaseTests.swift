// SPDX-License-Identifier: Apache-2.0
// epsim: random small cases of every exchange against one rank, the reference and the counters.

import ExpertParallel
import Foundation
import Kernels
import MPI
import MoE
import Placement
import TestSupport
import Testing

@Suite("Random cases", .serialized) @MainActor
struct RandomCaseTests {
  /// Cases of one run.
  private static let casesPerRun = 10

  private static func number(_ variable: String, default value: Int) -> Int {
    ProcessInfo.processInfo.environment[variable].flatMap { Int($0) } ?? value
  }

  /// `EPSIM_FUZZ_CASES` raises the number of cases, `EPSIM_FUZZ_FIRST` is the first run that is
  /// drawn: a run that failed is drawn again by its number and the number of ranks.
  @Test("every exchange gives the bits of one rank, or lies within rounding of the reference")
  func cases() throws {
    let world = SharedMPI.world
    let runs =
      (Self.number("EPSIM_FUZZ_CASES", default: 120) + Self.casesPerRun - 1)
      / Self.casesPerRun
    let first = Self.number("EPSIM_FUZZ_FIRST", default: 0)
    guard let own = try world.split(color: world.rank, key: 0) else { return }
    let start = ContinuousClock.now
    var failures: [String] = []
    for number in first..<first + runs {
      let run = try RandomRun(number: number, ranks: world.size, caseCount: Self.casesPerRun)
      // Rank 0 alone computes what all must agree with.
      let plain =
        try world.rank == 0
        ? InterleavedRun(run.plain).run(on: own, context: sharedKernels.get()) : nil
      let result = try InterleavedRun(run.configuration).run(
        on: world, context: sharedKernels.get())
      if let plain, let result { failures += run.failures(result, plain: plain) }
    }
    if world.rank == 0 {
      print(
        "random cases: \(runs * Self.casesPerRun) of seed \(RandomRun.seed) on \(world.size) ranks "
          + "in \(ContinuousClock.now - start), \(failures.count) failures")
    }
    try expectOnAllRanks(failures.isEmpty, failures.prefix(5).joined(separator: "\n"))
  }
}

extension RandomRun {
  /// What does not hold, with all that is needed to see it again.
  func failures(_ result: RunResult, plain: RunResult) -> [String] {
    var plainOfWires: [String: CaseResult] = [:]
    for entry in plain.cases { plainOfWires[entry[0].name] = entry[0] }
    return zip(configuration.cases, result.cases).flatMap { runCase, entry in
      failures(runCase, entry[0], plain: plainOfWires[Wires(runCase.exchange).name]!)
        .map { "\(name); \(runCase.name): \($0)" }
    }
  }

  private func failures(_ runCase: RunCase, _ result: CaseResult, plain: CaseResult) -> [String] {
    var wrong: [String] = []
    let scheme = runCase.exchange
    if !scheme.isTolerance, result.digest != plain.digest {
      wrong.append("digest \(result.digest), on one rank \(plain.digest)")
    }
    let error = result.referenceError ?? .infinity
    let bound = Self.bound(scheme)
    if !(error <= bound) { wrong.append("error \(error), bound \(bound)") }
    // Wires lose the same on one rank; beyond that only the order of sums differs.
    let difference = abs(error - (plain.referenceError ?? .infinity))
    let rounding = scheme.isTolerance ? (scheme.combineWire == .f32 ? 1e-5 : 2e-2) : 0
    if !scheme.isTolerance || configuration.layers.count == 1, !(difference <= rounding) {
      wrong.append("error \(error), on one rank \(plain.referenceError ?? .infinity)")
    }

    let expected = ExpectedVolume(
      scheme: scheme, placement: runCase.placement, topology: configuration.topology,
      hidden: configuration.model.hiddenSize, topK: configuration.model.topK)
    let computed = source.map {
      WorkloadTraffic(
        source: $0, placement: runCase.placement, topology: configuration.topology,
        choice: runCase.replicaChoice)
    }
    for (step, traffic) in result.traffic.enumerated() {
      let number = step + configuration.warmupSteps
      let counted = computed?.counters(
        step: number, rankOfPosition: configuration.rankOfPosition[number])
      if let counted, counted.values != traffic.values {
        wrong.append("counters of step \(number) are not those of the choices")
      }
      wrong += expected.differences(result.volumes[step], counted ?? traffic)
        .map { "step \(number): \($0)" }
      for row in runCase.placement.layers.indices
      where result.receivedRows[step].map({ $0[row] }) != traffic.layer(row).receivedPerRank {
        wrong.append("step \(number): rows \(result.receivedRows[step]) arrived")
      }
    }
    return wrong
  }

  /// The largest error that the wires of a scheme may cause.
  private static func bound(_ scheme: ExchangeScheme) -> Double {
    let dispatch: Double =
      switch scheme.wire {
      case .f32: 1e-5
      case .bf16: 5e-2
      case .fp8: 0.5
      }
    return dispatch + (scheme.combineWire == .bf16 ? 2e-2 : 0)
  }
}
