// SPDX-License-Identifier: Apache-2.0
// epsim: measures the parts of a layer on even loads.

internal import CostModel
internal import ExpertParallel
internal import Kernels
internal import MPI
internal import MoE
internal import Placement
internal import Projection
internal import Timing

/// Runs the grid of a cluster, and takes what its steps took apart.
struct ClusterMeasurement {
  let grid: ClusterGrid
  let context: KernelContext

  /// Measures everything. Collective.
  ///
  /// - Parameter progress: told on rank 0 before every run of the grid.
  /// - Returns: the samples on rank 0; nil on the others.
  func samples(
    on comm: borrowing Communicator, progress: (_ done: Int, _ of: Int) -> Void
  ) throws -> ClusterSamples? {
    var samples = ClusterSamples()
    for (done, run) in grid.runs.enumerated() {
      if comm.rank == 0 { progress(done, grid.runs.count) }
      let configuration = try comm.agree(classify: Launch.exitCode) {
        try grid.configuration(run)
      }
      guard let result = try InterleavedRun(configuration).run(on: comm, context: context) else {
        continue
      }
      add(run, configuration, result.cases[0][0], to: &samples)
    }
    return comm.rank == 0 ? samples : nil
  }

  private func add(
    _ run: ClusterGrid.Run, _ configuration: RunConfiguration, _ result: CaseResult,
    to samples: inout ClusterSamples
  ) {
    let sizes = run.tokensPerRank.count
    let runCase = configuration.cases[0]
    for size in 0..<sizes {
      let steps = stride(from: size, to: result.timeline.stepCount, by: sizes)
      let layer = result.traffic[size].layer(0)
      let parts = LayerParts(result.timeline, steps: Array(steps))
      if run.scope != .everywhere {
        let level: ClusterSamples.Level = run.scope == .inside ? .inside : .between
        let senders = run.scope == .pairs ? 1 : grid.ranksPerNode
        for way in Phase.Exchange.allCases {
          let rowBytes =
            way == .dispatch
            ? runCase.exchange.wire.rowBytes(length: run.hidden)
            : run.hidden * runCase.exchange.combineWire.byteCount
          let sent = layer.mostSentRows(transposed: way == .combine)
          guard sent.rows > 0 else { continue }
          samples.exchanges.append(
            ClusterSamples.Exchange(
              level: level, sendersPerNode: senders, messages: Double(sent.messages),
              bytes: Bytes(Double(sent.rows * rowBytes)), time: parts.exchange[way]!))
        }
      }
      let rows = layer.receivedPerRank.max() ?? 0
      if run.compute == .real, rows > 0 {
        let slots = Double(run.experts / layer.topology.rankCount)
        samples.experts.append(
          ClusterSamples.Experts(
            count: min(slots, Double(rows)), rows: max(1, Double(rows) / slots),
            widths: ExpertWidths(
              configuration.model, bytesPerWeight: Double(configuration.elementType.byteCount),
              bytesPerActivation: Double(configuration.elementType.byteCount)),
            time: parts.phase(.expert)))
      }
      let assignments = run.tokensPerRank[size] * run.topK
      samples.plans.append(
        ClusterSamples.Amount(amount: Double(assignments), time: parts.phase(.plan)))
      samples.copies.append(
        ClusterSamples.Amount(
          amount: CopiedBytes(
            hidden: run.hidden, tokens: run.tokensPerRank[size], packedRows: assignments,
            groupedRows: rows, returnedRows: rows, reducedRows: assignments,
            wireBytes: Double(runCase.exchange.wire.rowBytes(length: run.hidden)),
            elementBytes: Double(configuration.elementType.byteCount),
            combineBytes: Double(run.hidden * runCase.exchange.combineWire.byteCount)
          ).total,
          time: parts.phase(.pack) + parts.phase(.group) + parts.phase(.ungroup)
            + parts.phase(.reduce)))
    }
  }
}

/// What the phases of one layer took: the slowest rank, the median over some steps.
private struct LayerParts {
  let exchange: [Phase.Exchange: Seconds]
  private let phases: [Phase: Seconds]

  init(_ timeline: CaseTimeline, steps: [Int]) {
    func median(_ time: (_ step: Int) -> Double) -> Seconds {
      .microseconds(Estimate(steps.map(time)).median)
    }
    phases = Dictionary(
      uniqueKeysWithValues: Phase.allCases.map { phase in
        (
          phase,
          median { step in
            (0..<timeline.rankCount).map { timeline.time(of: phase, rank: $0, step: step) }.max()!
          }
        )
      })
    exchange = Dictionary(
      uniqueKeysWithValues: Phase.Exchange.allCases.map { way in
        (
          way,
          median { step in
            let stamps = timeline.stamps(of: way, layer: 0, step: step)
            return Double(stamps.map(\.arrived).max()! - stamps.map(\.entry).max()!) / 1000
          }
        )
      })
  }

  func phase(_ phase: Phase) -> Seconds { phases[phase]! }
}

extension LayerTraffic {
  /// The most rows that a rank sends to others, and the most blocks of them.
  fileprivate func mostSentRows(transposed: Bool) -> (rows: Int, messages: Int) {
    let ranks = topology.rankCount
    var most = (rows: 0, messages: 0)
    for rank in 0..<ranks {
      let blocks = (0..<ranks).filter { $0 != rank }.map {
        transposed ? raw[$0, rank] : raw[rank, $0]
      }
      most.rows = max(most.rows, blocks.reduce(0, +))
      most.messages = max(most.messages, blocks.count { $0 > 0 })
    }
    return most
  }
}
