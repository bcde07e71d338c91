// SPDX-License-Identifier: Apache-2.0
// epsim: measures every engine on a grid of exchanges.

internal import CostModel
internal import ExpertParallel
internal import Foundation
internal import Kernels
internal import MPI
internal import MoE
internal import Placement
internal import Timing

/// Runs the grid: every engine in turn on the same tokens, exchange by exchange.
struct ExchangeCalibration {
  let grid: ExchangeGrid
  let machine: Machine
  let context: KernelContext

  /// Measures everything. Collective.
  ///
  /// - Parameter progress: told on rank 0 before every exchange of the grid.
  /// - Returns: the table on rank 0; nil on the others.
  func table(
    on comm: borrowing Communicator, progress: (_ done: Int, _ of: Int) -> Void
  ) throws -> MeasuredExchanges? {
    let classes = grid.classes
    let count = classes.count * grid.tokensPerRank.count
    var done = 0
    var series: [MeasuredExchanges.Series] = []
    for entry in classes {
      var points: [MeasuredExchanges.Point] = []
      for tokens in grid.tokensPerRank {
        if comm.rank == 0 { progress(done, count) }
        done += 1
        let configuration = try comm.agree(classify: Launch.exitCode) {
          try grid.configuration(entry, tokensPerRank: tokens)
        }
        let result = try InterleavedRun(configuration).run(on: comm, context: context)
        if let result { points.append(point(result, configuration, tokensPerRank: tokens)) }
      }
      series.append(
        MeasuredExchanges.Series(
          workload: entry.workload, topK: entry.topK, hidden: entry.hidden, points: points))
    }
    guard comm.rank == 0 else { return nil }
    return MeasuredExchanges(
      created: ISO8601DateFormatter().string(from: Date()), machine: recordedMachine,
      steps: grid.steps, series: series)
  }

  private func point(
    _ result: RunResult, _ configuration: RunConfiguration, tokensPerRank: Int
  ) -> MeasuredExchanges.Point {
    let exchange = configuration.cases[0].exchange
    let hidden = configuration.model.hiddenSize
    let rowBytes =
      exchange.wire.rowBytes(length: hidden) + hidden * exchange.combineWire.byteCount
    let shapes = result.cases[0][0].traffic.compactMap {
      $0.layer(0).exchangeShape(rowBytes: rowBytes)
    }
    let times = zip(grid.engines, result.cases).map { engine, blocks in
      let timeline = blocks[0].timeline
      let steps = (0..<timeline.stepCount).map { timeline.engineTime(step: $0, layer: 0) }
      let estimate = Estimate(steps.map(\.us))
      return MeasuredExchanges.Time(
        engine, us: estimate.median,
        ci95: estimate.interval.map { [$0.lowerBound, $0.upperBound] },
        travelUs: min(estimate.median, Estimate(steps.map(\.travelUs)).median))
    }
    return MeasuredExchanges.Point(
      tokensPerRank: tokensPerRank, shape: ExchangeShape(meanOf: shapes), times: times)
  }

  private var recordedMachine: MeasuredExchanges.Machine {
    let topology = machine.topology
    return MeasuredExchanges.Machine(
      ranks: topology.rankCount, nodes: topology.nodeCount,
      ranksPerNode: (0..<topology.nodeCount).map { node in
        topology.nodeOfRank.count { $0 == node }
      }, cores: machine.cores, hosts: Set(machine.hosts).sorted(),
      mpi: MPIEnvironment.libraryVersion, epsim: EPSim.version)
  }
}
