// SPDX-License-Identifier: Apache-2.0
// epsim: what rank 0 knows about a case once it has run.

internal import MPI
public import Placement
public import Timing

/// The results of a run, on rank 0.
public struct RunResult: Sendable {
  /// [cases][blocks that contain the case]; only the first case may stand in several blocks.
  public let cases: [[CaseResult]]
  /// Blocks that the cases were run in; 1 where all were interleaved.
  public let blockCount: Int
  /// Whether all ranks read one clock, so that waiting could be told from transfer.
  public let clocksAreAligned: Bool
}

/// What was measured and counted of one case over all ranks.
public struct CaseResult: Sendable {
  /// The case's name.
  public let name: String
  /// Block of cases that it was interleaved with.
  public let block: Int
  /// Stamps of all ranks.
  public let timeline: CaseTimeline
  /// Counters over all ranks, one per measured step.
  public let traffic: [TrafficCounters]
  /// [steps][R][layers] rows that MPI delivered to each rank.
  public let receivedRows: [[[Int]]]
  /// Sum mod 2^64 over tokens of a hash of (global token, output row), first measured step.
  public let digest: UInt64
  /// Largest error against the reference layer over all ranks; nil where it was not asked for.
  public let referenceError: Double?
  /// Tokens per layer that were compared with the reference, over all ranks.
  public let referenceTokens: Int

  /// Brings one case to rank 0. Collective; the result is complete on rank 0 only.
  static func collect(
    _ runner: CaseRunner, check: (error: Double, tokens: Int)?, clocksAreAligned: Bool,
    block: Int, on comm: borrowing Communicator
  ) throws(MPIError) -> CaseResult? {
    let stamps = try comm.gatherV(runner.recorder.kept(), root: 0)
    var traffic: [TrafficCounters] = []
    var receivedRows: [[[Int]]] = []
    for (counters, rows) in zip(runner.traffic, runner.receivedRows) {
      var sum = counters
      sum.replaceValues(try comm.allReduce(counters.values, .sum))
      traffic.append(sum)
      receivedRows.append(try comm.gatherV(rows, root: 0))
    }
    let digest = try comm.allReduce(runner.digest, .sum)
    let error = try comm.allReduce(check?.error ?? 0, .max)
    let tokens = try comm.allReduce(Int64(check?.tokens ?? 0), .sum)
    guard comm.rank == 0 else { return nil }
    return CaseResult(
      name: runner.runCase.name, block: block,
      timeline: CaseTimeline(
        layout: runner.recorder.layout, stampsOfRank: stamps, clocksAreAligned: clocksAreAligned),
      traffic: traffic, receivedRows: receivedRows, digest: digest,
      referenceError: check == nil ? nil : error, referenceTokens: Int(tokens))
  }
}
