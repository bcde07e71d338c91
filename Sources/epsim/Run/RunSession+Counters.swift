// SPDX-License-Identifier: Apache-2.0
// epsim: what was moved against what was counted.

internal import CostModel
internal import ExpertParallel
internal import MoE
internal import Placement

extension RunSession {
  /// Requires of every step that the rows that were delivered and sent are those that the choices
  /// ask for.
  ///
  /// - Throws: ``RunFailure`` that names the case, the step and the figure.
  func requireCountersMatch(_ result: RunResult) throws {
    for (runCase, blocks) in zip(configuration.cases, result.cases) {
      for measured in blocks {
        for (step, counters) in measured.traffic.enumerated() {
          let difference =
            Self.difference(of: counters, delivered: measured.receivedRows[step])
            ?? counters.expectedRows(of: runCase, choices: measured.choices[step])?
            .difference(to: measured.volumes[step])
          if let difference {
            throw RunFailure("case \(measured.name), step \(step): \(difference)")
          }
        }
      }
    }
  }

  /// The first layer whose delivered rows, [R][layers], are not those that were counted.
  private static func difference(of counters: TrafficCounters, delivered: [[Int]]) -> String? {
    for row in counters.placement.layers.indices {
      let counted = counters.layer(row).receivedPerRank
      let delivered = delivered.map { $0[row] }
      if counted != delivered {
        return "layer \(counters.placement.layers[row]): the ranks got \(delivered) rows, counted "
          + "were \(counted)"
      }
    }
    return nil
  }
}

extension TrafficCounters {
  /// Rows that leave ranks and nodes in the exchanges of a step, over all layers; nil where they do
  /// not follow from the choices.
  ///
  /// - Parameter choices: [layers] the scheme of each layer, where the case chooses.
  func expectedRows(
    of runCase: RunCase, choices: [ExchangeChooser.Choice] = []
  ) -> ExpectedRows? {
    func rows(_ traffic: LayerTraffic, _ exchange: ExchangeScheme) -> ExpectedRows? {
      traffic.expectedRows(
        dedup: exchange.dedup, transport: exchange.transport, combine: exchange.combine)
    }
    guard let schemes = runCase.selection?.schemes else { return rows(total, runCase.exchange) }
    let layers = choices.enumerated().map { rows(layer($0), schemes[$1.candidate]) }
    return layers.contains(nil) ? nil : ExpectedRows(sum: layers.compactMap { $0 })
  }
}
