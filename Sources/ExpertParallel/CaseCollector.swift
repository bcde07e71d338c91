// SPDX-License-Identifier: Apache-2.0
// epsim: brings what a case measured to rank 0, step by step.

internal import CostModel
internal import MPI
internal import Placement
internal import Timing

/// Collects one case after every step; complete on rank 0 only.
///
/// Steps are collected as they finish, so that a run that dies leaves its finished rounds behind.
/// Stamps are kept as they were read: how clocks map is known better once the run is over.
final class CaseCollector {
  private let name: String
  private let block: Int
  private let layout: StampLayout
  private let timing: ExchangeTiming
  private var rankCount = 1
  /// [steps][R][stampsPerStep]
  private var stamps: [[[Int64]]] = []
  private var traffic: [TrafficCounters] = []
  private var volumes: [ExchangeVolume] = []
  private var choices: [[ExchangeChooser.Choice]] = []
  private var receivedRows: [[[Int]]] = []
  private var digest: UInt64 = 0
  private var check: (error: Double, tokens: Int)?

  /// [layers] sums of the routing of one step; nil where they were not asked for.
  var balance: [LayerBalance]?

  /// Steps collected so far.
  var stepCount: Int { stamps.count }
  /// Whether it was compared with the reference.
  var isChecked: Bool { check != nil }

  init(_ runCase: RunCase, block: Int, layout: StampLayout, barrierCost: Int64) {
    name = runCase.name
    self.block = block
    self.layout = layout
    timing = runCase.timing == .barrier ? .barrier(cost: barrierCost) : .clocks
  }

  /// Collects the step that the runner ran last. Collective.
  func collectStep(of runner: CaseRunner, on comm: borrowing Communicator) throws(MPIError) {
    rankCount = comm.size
    let stepStamps = try comm.gatherV(runner.recorder.lastStep(), root: 0)
    var counters = runner.countedTraffic()
    counters.replaceValues(try comm.allReduce(counters.values, .sum))
    let volume = ExchangeVolume(values: try comm.allReduce(runner.exchangedVolume().values, .sum))
    let rows = try comm.gatherV(runner.deliveredRows(), root: 0)
    guard comm.rank == 0 else { return }
    stamps.append(stepStamps)
    traffic.append(counters)
    volumes.append(volume)
    choices.append(runner.exchangeChoices())
    receivedRows.append(rows)
  }

  /// Adds up the ranks' parts of the digest. Collective.
  func collectDigest(_ part: UInt64, on comm: borrowing Communicator) throws(MPIError) {
    digest = try comm.allReduce(part, .sum)
  }

  /// Takes the worst rank's comparison with the reference. Collective.
  func collectCheck(
    _ part: (error: Double, tokens: Int), on comm: borrowing Communicator
  ) throws(MPIError) {
    rankCount = comm.size
    let error = try comm.allReduce(part.error, .max)
    check = (error, Int(try comm.allReduce(Int64(part.tokens), .sum)))
  }

  /// The case so far, its stamps on the clock of rank 0. Local, on rank 0.
  func result(_ clocks: [ClockAlignment]) -> CaseResult {
    var timeline = CaseTimeline(layout: layout, rankCount: rankCount, timing: timing)
    for step in stamps {
      timeline.append(
        stampsOfRank: zip(step, clocks).map { stamps, clock in stamps.map(clock.aligned) },
        clockErrors: zip(step, clocks).map { stamps, clock in
          max(clock.error(at: stamps.first!), clock.error(at: stamps.last!))
        })
    }
    return CaseResult(
      name: name, block: block, timeline: timeline, traffic: traffic, volumes: volumes,
      choices: choices, receivedRows: receivedRows, digest: digest,
      referenceError: check?.error, referenceTokens: check?.tokens ?? 0, balance: balance)
  }
}
