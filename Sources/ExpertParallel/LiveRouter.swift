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
  /// Told what the rule chooses, before capacity drops anything; nil in measured steps.
  var balance: BalanceCollector?

  /// [E] what is added to the scores for the selection: zeros, until loads move it. Empty for rules
  /// without.
  private var bias: [Float]

  private let gate: LinearProduct
  private let gateWeights: PackedWeights
  private let limiter: CapacityLimiter?
  private let global: GlobalBatch?
  private let buffers: LayerBuffers
  private let biasUpdateRate: Double?
  private let rank: Int
  private let scratch: UnsafeMutableBufferPointer<Float>

  /// - Parameters:
  ///   - gate: the product [H] -> [E] with its weights.
  ///   - capacity: limits the experts of the rank's batch or of the whole step.
  ///   - biasUpdateRate: what a step's load moves the bias by; nil where it stays.
  ///   - global: where the logits of the whole step are gathered; nil where the rank's are enough.
  init(
    rule: any Router, gate: LinearProduct, gateWeights: PackedWeights, capacity: CapacityRule?,
    biasUpdateRate: Double?, global: GlobalBatch?, configuration: RunConfiguration, layer: Int,
    rank: Int,
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
    let hasBias = configuration.model.router.hasSelectionBias || biasUpdateRate != nil
    bias = hasBias ? Array(repeating: 0, count: rule.expertCount) : []
    self.biasUpdateRate = biasUpdateRate
    self.rank = rank
    scratch = .zeroed(rule.scratchCount(tokenCount: tokens))
  }

  deinit { scratch.deallocate() }

  /// Moves the bias by the step's load over all ranks, outside of the measurement. Collective.
  func updateBias(
    _ decision: borrowing RoutingDecision, on comm: borrowing Communicator
  ) throws(MPIError) {
    guard let biasUpdateRate else { return }
    var counts = Array(repeating: 0.0, count: rule.expertCount)
    for expert in decision.expertIndices where expert >= 0 { counts[Int(expert)] += 1 }
    SelectionBias.update(
      &bias, counts: try comm.allReduce(counts, .sum), rate: biasUpdateRate)
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
      route(logits: logits, tokens: tokens, into: &decision, balance: balance)
      return
    }
    try global.gather(logits, on: comm)
    // Every rank routes the same batch: one is enough for sums over ranks.
    route(
      logits: global.orderedLogits, tokens: global.orderedTokens, into: &global.decision,
      balance: rank == 0 ? balance : nil)
    global.takeOwn(into: &decision)
  }

  private func route(
    logits: UnsafeBufferPointer<Float>, tokens: UnsafeBufferPointer<UInt64>,
    into decision: inout RoutingDecision, balance: BalanceCollector?
  ) {
    bias.withUnsafeBufferPointer { bias in
      let batch = RouterBatch(
        logits: logits, tokens: tokens, bias: bias.isEmpty ? nil : bias, scratch: scratch)
      rule.route(batch, into: &decision)
      balance?.add(logits: logits, decision: decision, tokens: tokens)
      limit(batch, &decision)
    }
  }

  private func limit(_ batch: RouterBatch, _ decision: inout RoutingDecision) {
    guard let limiter else { return }
    let tokens = batch.tokens
    if limiter.rule.policy == .reroute {
      limiter.limit(&decision, tokens: tokens, topK: rule.topK) { token, scores, weights in
        rule.preferences(batch, token: token, scores: scores, weights: weights)
      }
    } else {
      limiter.limit(&decision, tokens: tokens, topK: rule.topK)
    }
  }
}
