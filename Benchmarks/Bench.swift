// SPDX-License-Identifier: Apache-2.0
// epsim: the benchmarks of `make bench`: each phase as a share of its physical limit.

import ExpertParallel
import Foundation
import Kernels
import MPI
import Reporting
import Timing

/// Runs every benchmark on all ranks at once; exits with 1 where a bound is missed.
///
/// The limits are measured in the same launch, interleaved with what is compared to them: bare
/// products for the expert phase and the layer, `memcpy` for the row operations.
@main
struct Bench {
  static func main() {
    do {
      let environment = try MPIEnvironment()
      let comm = Communicator.world
      let context = try KernelContext()
      if comm.rank == 0 { heading(context.environment, ranks: comm.size) }
      var results: [BenchResult] = []
      let types: [ElementType] = context.environment.supportsBF16 ? [.f32, .bf16] : [.f32]
      for type in types { results += try ExpertBench(type: type).run(context, on: comm) }
      for type in types { results += try RowBench(type: type).run(context, on: comm) }
      for type in types { results += try LayerBench(type: type).run(context, on: comm) }
      let missed = results.filter { !$0.holds }.count
      if comm.rank == 0 { report(results, missed: missed) }
      try environment.finalize()
      exit(missed == 0 ? 0 : 1)
    } catch {
      FileHandle.standardError.write(Data("epsim-bench: \(error)\n".utf8))
      MPIEnvironment.abort(code: 1)
    }
  }

  private static func heading(_ environment: KernelEnvironment, ranks: Int) {
    let cores = ProcessInfo.processInfo.activeProcessorCount
    print(
      "\(ranks) ranks, \(cores) cores, \(environment.backend.rawValue) "
        + "\(environment.backendVersion) (\(environment.instructionSet)), rows "
        + "\(environment.rowBlock); medians of interleaved repetitions, slowest rank of each")
    if ranks > cores { print("FUNCTIONAL ONLY, NOT A TIMING: more ranks than cores") }
    print("")
  }

  private static func report(_ results: [BenchResult], missed: Int) {
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
    print("\n\(results.count - missed) of \(results.count) bounds hold")
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
        try comm.barrier()
        let start = MonotonicClock.now()
        piece()
        let own = Double(MonotonicClock.now() - start) / 1e9
        let slowest = try comm.allReduce(own, .max)
        if repetition > 0 { times[index].append(slowest) }
      }
    }
    return times
  }
}
