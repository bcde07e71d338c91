// SPDX-License-Identifier: Apache-2.0
// epsim: the engines of a case, and which of them each layer uses.

internal import CostModel
internal import Kernels
internal import MPI
internal import MoE
internal import Placement

/// The engines of one case on one rank: one per scheme, shared by the layers, which run in turn.
final class CaseEngines {
  /// [layers] what was chosen for the step that comes or ran last; empty where there is no choice.
  private(set) var choices: [ExchangeChooser.Choice] = []

  private let engines: [LayerEngine]
  private let selection: ExchangeSelection?
  /// Bytes of a row to the expert and of its result.
  private let rowBytes: Int

  init(
    _ runCase: RunCase, configuration: RunConfiguration, rank: Int, bounds: RowBounds,
    buffers: LayerBuffers, space: NodeSpace?
  ) throws {
    let hidden = configuration.model.hiddenSize
    selection = runCase.selection
    rowBytes =
      runCase.exchange.wire.rowBytes(length: hidden)
      + hidden * runCase.exchange.combineWire.byteCount
    engines = try runCase.schemes.enumerated().map { index, scheme in
      try ExchangeSetting(
        scheme: scheme, topology: configuration.topology,
        slotOffsets: runCase.placement.slotOffsets, rank: rank, hidden: hidden,
        elementType: configuration.elementType,
        choiceWidth: configuration.routing(of: runCase).choiceWidth, bounds: bounds,
        buffers: buffers, space: space,
        channel: index * ExchangeScheme.chunkLimit
      ).engine()
    }
    if selection != nil {
      choices = configuration.layers.map { _ in ExchangeChooser.Choice(candidate: 0) }
    }
  }

  /// The engine of a layer in the step that comes.
  subscript(layer index: Int) -> LayerEngine {
    engines[choices.isEmpty ? 0 : choices[index].candidate]
  }

  /// What left this rank since it was last cleared.
  var volume: ExchangeVolume {
    ExchangeVolume(
      values: engines.reduce(into: Array(repeating: 0, count: ExchangeVolume.valueCount)) {
        sums, engine in
        for (index, value) in engine.volume.values.enumerated() { sums[index] += value }
      })
  }

  func clearVolume() {
    for engine in engines { engine.clearVolume() }
  }

  /// Chooses the engine of every layer: rank 0 does, for the last bit of a logarithm may differ
  /// between machines. Collective.
  ///
  /// - Parameters:
  ///   - traffic: counters over all ranks, a row per layer of the run.
  ///   - rows: [layers] the row of each layer.
  ///   - expertUs: [layers] the experts' time on the slowest rank; 0 where it is not known.
  func choose(
    _ traffic: TrafficCounters, rows: [Int], expertUs: [Double], on comm: borrowing Communicator
  ) throws(MPIError) {
    guard let selection else { return }
    if comm.rank == 0 {
      for (index, row) in rows.enumerated() {
        choices[index] = selection.chooser.choice(
          traffic.layer(row).exchangeShape(rowBytes: rowBytes), expertUs: expertUs[index])
      }
    }
    let candidates = try comm.broadcast(
      choices.map { Int32(truncatingIfNeeded: $0.candidate) }, root: 0)
    for (index, candidate) in candidates.enumerated() {
      choices[index].candidate = Int(candidate)
    }
  }
}
