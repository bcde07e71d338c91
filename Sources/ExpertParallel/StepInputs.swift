// SPDX-License-Identifier: Apache-2.0
// epsim: what one step starts from on one rank, the same for every case.

internal import MoE
internal import Workloads

/// The tokens, input rows and looked-up choices of one step on one rank.
///
/// Prepared once per step, outside the measurement; every case of the step starts from it.
final class StepInputs {
  /// The step, counted from the first warm-up step.
  private(set) var step = 0
  /// Index of each local token over the whole run; part of the digest.
  private(set) var globalTokens: [UInt64] = []
  /// [T, H] input rows of the local tokens.
  let rows: UnsafeMutableBufferPointer<Float>
  /// [routings][layers] looked-up choices; no layers where a live router computes them.
  private(set) var decisions: [[RoutingDecision]] = []

  /// T, the local tokens of the step.
  var tokenCount: Int { globalTokens.count }

  private let configuration: RunConfiguration
  private let rank: Int
  private let inputs: TokenInputs

  init(_ configuration: RunConfiguration, rank: Int) {
    self.configuration = configuration
    self.rank = rank
    let hidden = configuration.model.hiddenSize
    inputs = TokenInputs(seed: configuration.seed, hiddenSize: hidden)
    rows = .zeroed(configuration.tokenCapacity(rank: rank) * hidden)
  }

  deinit { rows.deallocate() }

  /// Moves on to a step, counted from the first warm-up step.
  func prepare(step: Int) {
    self.step = step
    let positions = configuration.positions(rank: rank, step: step)
    let hidden = configuration.model.hiddenSize
    globalTokens = positions.map { UInt64(step * configuration.tokenCount) + UInt64($0) }
    for (token, global) in globalTokens.enumerated() {
      inputs.fill(
        globalToken: Int(global),
        into: UnsafeMutableBufferPointer(rebasing: rows[token * hidden..<(token + 1) * hidden]))
    }
    decisions = configuration.routings.map { routing in
      guard case .workload(let source) = routing else { return [] }
      return configuration.layers.map { layer in
        Self.decision(source, layer: layer, step: step, positions: positions)
      }
    }
  }

  /// The choices of these tokens in one layer.
  static func decision(
    _ source: any RoutingSource, layer: Int, step: Int, positions: [Int32]
  ) -> RoutingDecision {
    var decision = RoutingDecision(tokenCount: positions.count, topK: source.topK)
    source.route(layer: layer, step: step, positions: positions.span, into: &decision)
    return decision
  }
}
