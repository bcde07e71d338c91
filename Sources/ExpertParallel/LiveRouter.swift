// SPDX-License-Identifier: Apache-2.0
// epsim: the router of one layer on one rank: gate product, rule, capacity.

internal import Kernels
internal import MPI
internal import MoE

/// Routes a rank's tokens from their activations, in one layer.
///
/// With a global capacity every rank gathers the logits of all and routes the whole batch, so that
/// all agree on what is dropped. Nothing here allocates in a step.
final class LiveRouter {
  /// What routes; may look at the whole batch.
  let rule: any Router
  /// [E] what is added to the scores for the selection; zeros unless the run updates it.
  let bias: UnsafeMutableBufferPointer<Float>

  private let gate: LinearProduct
  private let gateWeights: PackedWeights
  private let limiter: CapacityLimiter?
  private let global: GlobalBatch?
  private let buffers: LayerBuffers
  private let scratch: UnsafeMutableBufferPointer<Float>

  /// - Parameters:
  ///   - gate: the product [H] -> [E] with its weights.
  ///   - capacity: limits the experts of the rank's batch or of the whole step.
  ///   - global: where the logits of the whole step are gathered; nil where the rank's are enough.
  init(
    rule: any Router, gate: LinearProduct, gateWeights: PackedWeights, capacity: CapacityRule?,
    global: GlobalBatch?, configuration: RunConfiguration, layer: Int, rank: Int,
    buffers: LayerBuffers
  ) {
    self.rule = rule
    self.gate = gate
    self.gateWeights = gateWeights
    self.buffers = buffers
    self.global = global
    let tokens =
      global == nil ? configuration.tokenCapacity(rank: rank) : configuration.tokenCount
    limiter = capacity.map {
      CapacityLimiter(
        rule: $0, expertCount: rule.expertCount, assignmentCapacity: tokens * rule.choiceWidth,
        seed: configuration.seed, layer: layer)
    }
    bias = .zeroed(rule.expertCount)
    scratch = .zeroed(rule.scratchCount(tokenCount: tokens))
  }

  deinit {
    bias.deallocate()
    scratch.deallocate()
  }

  /// Routes the rank's normalised activations. Collective with a global capacity, else local.
  /// - Parameter tokens: [T] index of each token over the whole run.
  func route(
    tokens: UnsafeBufferPointer<UInt64>, into decision: inout RoutingDecision,
    on comm: borrowing Communicator
  ) throws(MPIError) {
    gate.multiply(
      rows: tokens.count, x: buffers.normalised, weights: gateWeights, y: buffers.logits)
    let logits = UnsafeBufferPointer(
      start: buffers.logits, count: tokens.count * rule.expertCount)
    guard let global else {
      route(logits: logits, tokens: tokens, into: &decision)
      return
    }
    try global.gather(logits, on: comm)
    route(logits: global.orderedLogits, tokens: global.orderedTokens, into: &global.decision)
    global.takeOwn(into: &decision)
  }

  private func route(
    logits: UnsafeBufferPointer<Float>, tokens: UnsafeBufferPointer<UInt64>,
    into decision: inout RoutingDecision
  ) {
    let batch = RouterBatch(
      logits: logits, tokens: tokens, bias: UnsafeBufferPointer(bias), scratch: scratch)
    rule.route(batch, into: &decision)
    guard let limiter else { return }
    if limiter.rule.policy == .reroute {
      limiter.limit(&decision, tokens: tokens, topK: rule.topK) { token, scores, weights in
        rule.preferences(batch, token: token, scores: scores, weights: weights)
      }
    } else {
      limiter.limit(&decision, tokens: tokens, topK: rule.topK)
    }
  }
}
