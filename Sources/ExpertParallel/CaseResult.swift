// SPDX-License-Identifier: Apache-2.0
// epsim: what rank 0 knows about a run and its cases.

public import CostModel
public import Placement
public import Timing

/// The results of a run so far, on rank 0.
public struct RunResult: Sendable {
  /// [cases][blocks that contain the case]; only the first case may stand in several blocks. Cases
  /// of blocks that were not reached are empty.
  public let cases: [[CaseResult]]
  /// Blocks that the cases are run in; 1 where all are interleaved.
  public let blockCount: Int
  /// Whether every round of every block is there.
  public let isComplete: Bool
  /// The ranks' clocks.
  public let clocks: ClockSummary
}

/// How well the ranks' clocks agree.
public struct ClockSummary: Sendable {
  /// [R] the clock domain of each rank; that of rank 0 is 0.
  public let domainOfRank: [Int]
  /// [R] how each rank's clock maps to that of rank 0.
  public let alignments: [ClockAlignment]
  /// Messages whose stamps were compared, and those that arrived before they were sent by more
  /// than the error bounds.
  public let causality: (checks: Int, violations: Int)

  /// Bound on the error of comparing two ranks' clocks, nanoseconds.
  public var error: Int64 {
    let errors = alignments.map(\.maximumError).sorted(by: >)
    return errors.count > 1 ? errors[0] + errors[1] : 0
  }
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
  /// What left its rank, over all ranks, one per measured step.
  public let volumes: [ExchangeVolume]
  /// [steps][layers] what moved the rows, among the schemes of the case's selection; no layers
  /// where there is no choice.
  public let choices: [[ExchangeChooser.Choice]]
  /// [steps][R][layers] rows that MPI delivered to each rank.
  public let receivedRows: [[[Int]]]
  /// Sum mod 2^64 over tokens of a hash of (global token, output row), first measured step.
  public let digest: UInt64
  /// Largest error against the reference layer over all ranks; nil where it was not asked for.
  public let referenceError: Double?
  /// Tokens per layer that were compared with the reference, over all ranks.
  public let referenceTokens: Int
  /// [layers] sums of the routing of the first measured step; nil where they were not asked for.
  public let balance: [LayerBalance]?
}
