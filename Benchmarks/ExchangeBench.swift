// SPDX-License-Identifier: Apache-2.0
// epsim: the exchange engines against each other and against copies.

import CostModel
import ExpertParallel
import Foundation
import Kernels
import MPI
import MoE
import Placement
import Reporting
import Timing
import Workloads

/// Dispatch and combine through shared memory, messages and `MPI_Alltoallv`, on one node.
///
/// All engines run in one launch, interleaved step by step on the same tokens, with stand-ins that
/// take no time for the experts. A time is that of pack, dispatch, group, ungroup and combine of
/// a layer: the slowest rank of a step, the median over steps. Half of the rows stay on their rank.
struct ExchangeBench {
  /// Values of a row.
  let hidden: Int
  let type: ElementType
  private let layers = 8
  private let steps = 60
  private let engines: [Transport] = [.allToAllV, .pointToPoint, .sharedAllToAllV]

  /// Bytes that a rank sends to its peer.
  private let sizes = [16 << 10, 64 << 10, 256 << 10, 1 << 20, 2 << 20, 8 << 20]

  func run(_ context: KernelContext, on comm: borrowing Communicator) throws -> [BenchResult] {
    var results: [BenchResult] = []
    for size in sizes {
      let rows = max(1, size / (hidden * type.byteCount))
      results += try run(rows: rows, size: size, context, on: comm)
    }
    return results
  }

  private func run(
    rows: Int, size: Int, _ context: KernelContext, on comm: borrowing Communicator
  ) throws -> [BenchResult] {
    let configuration = try configuration(tokens: rows * comm.size, ranks: comm.size)
    let copies = BlockCopies(bytes: 2 * rows * hidden * type.byteCount)
    var copyTimes: [Double] = []
    let rounds = engines.count
    var failure: (any Error)?
    let result = try InterleavedRun(configuration).run(on: comm, context: context) { progress in
      guard progress.finishedSteps % rounds == 0 else { return }
      do {
        let time = try InterleavedTimer.time(of: copies.run, on: comm)
        if progress.finishedSteps > rounds * configuration.warmupSteps { copyTimes.append(time) }
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    // Rank 0 holds the stamps; the verdict must be the same everywhere.
    let own = result?.cases.map { exchangeTimes($0[0].timeline) }.flatMap { $0 }
    let all = try comm.broadcast(
      own ?? Array(repeating: 0, count: engines.count * steps), root: 0)
    let times = engines.indices.map { Array(all[$0 * steps..<($0 + 1) * steps]) }
    return verdicts(times, copies: copyTimes, rows: rows, size: size)
  }

  private func verdicts(
    _ times: [[Double]], copies: [Double], rows: Int, size: Int
  ) -> [BenchResult] {
    let what =
      "\(Quantity.bytes(Double(rows * hidden * type.byteCount))) per peer, rows of "
      + "\(Quantity.bytes(Double(hidden * type.byteCount)))"
    func medianTime(_ index: Int) -> Double { Estimate(times[index]).median }
    func text(_ seconds: Double) -> String { Quantity.significant(seconds * 1e6) + " us" }
    let gain = 1 / PairedRatio(times[2], base: times[0]).ratio.median
    let messages = PairedRatio(times[1], base: times[0]).ratio.median
    let (copy, share) = (Estimate(copies).median, Estimate(copies).median / medianTime(2))
    let leastGain = size <= 2 << 20 ? 2.0 : 1
    var results = [
      BenchResult(
        name: "shm / alltoallv, " + what, measured: text(medianTime(2)),
        limit: text(medianTime(0)), share: Quantity.fixed(gain, 2) + " x",
        bound: "at least \(Quantity.fixed(leastGain, 0)) x", holds: gain >= leastGain),
      BenchResult(
        name: "p2p / alltoallv, " + what, measured: text(medianTime(1)),
        limit: text(medianTime(0)), share: Quantity.fixed(messages, 3) + " x",
        bound: "at most 1.05 x", holds: messages <= 1.05),
    ]
    if size >= 256 << 10 {
      results.append(
        BenchResult(
          name: "shm / copies, " + what, measured: text(medianTime(2)), limit: text(copy),
          share: Quantity.fixed(100 * share, 1) + " %", bound: "at least 70 %",
          holds: share >= 0.7))
    }
    return results
  }

  /// Seconds of the exchange of a layer, slowest rank, per step.
  private func exchangeTimes(_ timeline: CaseTimeline) -> [Double] {
    let phases: [Phase] = [.pack, .dispatch, .group, .ungroup, .combine]
    return (0..<timeline.stepCount).map { step in
      (0..<timeline.rankCount).map { rank in
        phases.reduce(0) { $0 + timeline.time(of: $1, rank: rank, step: step) }
      }.max()! / Double(layers) / 1e6
    }
  }

  private func configuration(tokens: Int, ranks: Int) throws -> RunConfiguration {
    var configuration = try BenchModel(hidden: hidden, inner: 64, type: type, wire: type)
      .configuration(tokens: tokens, ranks: ranks, steps: steps)
    configuration.layers = Array(0..<layers)
    let placement = try PlacementSpec(parsing: "contiguous").place(
      load: LoadHistogram(layers: configuration.layers, expertCount: 16),
      topology: configuration.topology, groups: 1, modelLayers: configuration.layers)
    configuration.cases = engines.map { transport in
      RunCase(
        name: transport.rawValue, placement: placement, replicaChoice: .expertRoundRobin,
        exchange: ExchangeScheme(
          transport: transport, wire: WireFormat(type), combineWire: type),
        compute: .none)
    }
    return configuration
  }
}

/// The least that an exchange must do: every row copied once each way, by all ranks at once.
private final class BlockCopies {
  private let bytes: Int
  private let there: (UnsafeMutableRawPointer, UnsafeMutableRawPointer)
  private let back: (UnsafeMutableRawPointer, UnsafeMutableRawPointer)

  init(bytes: Int) {
    self.bytes = bytes
    func memory() -> UnsafeMutableRawPointer {
      let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
      memory.initializeMemory(as: UInt8.self, repeating: 1, count: bytes)
      return memory
    }
    there = (memory(), memory())
    back = (memory(), memory())
  }

  deinit {
    for memory in [there.0, there.1, back.0, back.1] { memory.deallocate() }
  }

  func run() {
    there.1.copyMemory(from: there.0, byteCount: bytes)
    back.1.copyMemory(from: back.0, byteCount: bytes)
  }
}
