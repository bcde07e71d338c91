// SPDX-License-Identifier: Apache-2.0
// epsim: the benchmarks of `make bench`: each phase as a share of its physical limit.

import ExpertParallel
import Foundation
import Kernels
import MPI
import Reporting
import Timing

/// Runs every benchmark, or those named, on all ranks at once; exits with 1 where a bound is missed.
///
/// The limits are measured in the same launch, interleaved with what is compared to them: bare
/// products for the expert phase and the layer, `memcpy` for the row operations. With more ranks
/// than cores there is nothing to measure: it says so and exits with 0.
@main
struct Bench {
  static func main() {
    var isFirst = (MPIEnvironment.launchedRank ?? 0) == 0
    do {
      let environment = try MPIEnvironment()
      let comm = Communicator.world
      isFirst = comm.rank == 0
      let context = try comm.agree { try KernelContext() }
      let cores = try UsableCores(on: comm)
      let isFunctionalOnly = cores.areExceeded(threads: context.environment.threads)
      if isFirst {
        heading(
          context.environment, ranks: comm.size, cores: cores, isFunctionalOnly: isFunctionalOnly)
      }
      if isFunctionalOnly {
        try environment.finalize()
        exit(0)
      }
      let wanted = CommandLine.arguments.dropFirst()
      var results: [BenchResult] = []
      for group in groups(context) where wanted.isEmpty || wanted.contains(group.name) {
        results += try group.run(context, comm)
      }
      if isFirst { report(results) }
      try environment.finalize()
      exit(results.allSatisfy(\.holds) ? 0 : 1)
    } catch {
      if isFirst { FileHandle.standardError.write(Data("epsim-bench: \(error)\n".utf8)) }
      MPIEnvironment.abort(code: 1)
    }
  }

  private typealias Group = (
    name: String, run: (KernelContext, borrowing Communicator) throws -> [BenchResult]
  )

  /// The benchmarks by the names that the command line takes; all of them without names.
  private static func groups(_ context: KernelContext) -> [Group] {
    let types: [ElementType] = context.environment.supportsBF16 ? [.f32, .bf16] : [.f32]
    func forEachType(
      _ bench:
        @escaping (ElementType, KernelContext, borrowing Communicator) throws
        -> [BenchResult]
    ) -> (KernelContext, borrowing Communicator) throws -> [BenchResult] {
      { context, comm in
        var results: [BenchResult] = []
        for type in types { results += try bench(type, context, comm) }
        return results
      }
    }
    return [
      ("experts", forEachType { try ExpertBench(type: $0).run($1, on: $2) }),
      ("rows", forEachType { try RowBench(type: $0).run($1, on: $2) }),
      ("layer", forEachType { try LayerBench(type: $0).run($1, on: $2) }),
      (
        "exchange",
        { context, comm in
          try ExchangeBench(hidden: 512, type: .f32).run(context, on: comm)
            + ExchangeBench(hidden: 3584, type: .f32).run(context, on: comm)
        }
      ),
      ("search", { try SearchBench().run(on: $1) }),
      ("router", { try RouterBench(type: types.last!).run($0, on: $1) }),
      ("projection", { try ProjectionBench().run(on: $1) }),
      ("choice", { try ChoiceBench().run(on: $1) }),
      ("placement", { try PlacementBench().run(on: $1) }),
    ]
  }

  private static func heading(
    _ environment: KernelEnvironment, ranks: Int, cores: UsableCores, isFunctionalOnly: Bool
  ) {
    print(
      "\(ranks) ranks, \(cores.smallest) cores, \(environment.backend.rawValue) "
        + "\(environment.backendVersion) (\(environment.instructionSet)), rows "
        + "\(environment.rowBlock); medians of interleaved repetitions, slowest rank of each")
    if isFunctionalOnly {
      print("FUNCTIONAL ONLY, NOT A TIMING: more ranks than cores, so nothing is measured")
    }
    print("")
  }

  private static func report(_ results: [BenchResult]) {
    var table = TextTable([
      ("what", .left), ("measured", .right), ("limit", .right), ("share", .right),
      ("bound", .right), ("", .left),
    ])
    for result in results {
      table.add([
        result.name, result.measured, result.limit, result.share, result.bound,
        result.holds ? "holds" : "MISSED",
      ])
    }
    print(table.text)
    print("\n\(results.count { $0.holds }) of \(results.count) bounds hold")
  }
}

/// One line of the report.
struct BenchResult {
  let name: String
  let measured: String
  let limit: String
  let share: String
  let bound: String
  let holds: Bool
}

/// Times several pieces of work in turn, so that drift of the machine meets all of them.
struct InterleavedTimer {
  let repetitions: Int

  /// Seconds of each piece per repetition: the slowest rank. Collective.
  ///
  /// Shape: [pieces][repetitions]; one more repetition goes before as a warm-up.
  func run(_ pieces: [() -> Void], on comm: borrowing Communicator) throws -> [[Double]] {
    var times = pieces.map { _ in [Double]() }
    for repetition in 0...repetitions {
      for (index, piece) in pieces.enumerated() {
        let time = try Self.time(of: piece, on: comm)
        if repetition > 0 { times[index].append(time) }
      }
    }
    return times
  }

  /// Runs a configuration of one case, and a piece of work after each of its steps. Collective.
  ///
  /// - Returns: the timeline of the measured steps on rank 0, nil on the others; and per measured
  ///   step the seconds of the piece: the slowest rank.
  static func run(
    _ configuration: RunConfiguration, alternatingWith piece: () -> Void, context: KernelContext,
    on comm: borrowing Communicator
  ) throws -> (timeline: CaseTimeline?, pieceTimes: [Double]) {
    var times: [Double] = []
    var failure: (any Error)?
    let result = try InterleavedRun(configuration).run(on: comm, context: context) { progress in
      do {
        let time = try Self.time(of: piece, on: comm)
        if progress.finishedSteps > configuration.warmupSteps { times.append(time) }
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return (result?.cases[0][0].timeline, times)
  }

  /// Seconds of one piece of work on the slowest rank. Collective.
  static func time(
    of piece: () -> Void, on comm: borrowing Communicator
  ) throws(MPIError) -> Double {
    try comm.barrier()
    let start = MonotonicClock.now()
    piece()
    return try comm.allReduce(Double(MonotonicClock.now() - start) / 1e9, .max)
  }
}
