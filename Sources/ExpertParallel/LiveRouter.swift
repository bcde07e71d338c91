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
  private let workspace: RoutingWorkspace
  private let buffers: LayerBuffers
  private let biasUpdateRate: Double?
  /// [E] what the rule chose in the last step, before drops; empty where no bias follows it.
  private var loads: [Int64]
  private let layer: Int
  private let rank: Int

  /// - Parameters:
  ///   - gate: the product [H] -> [E] with its weights.
  ///   - biasUpdateRate: what a step's load moves the bias by; nil where it stays.
  init(
    rule: any Router, gate: LinearProduct, gateWeights: PackedWeights, biasUpdateRate: Double?,
    hasBias: Bool, workspace: RoutingWorkspace, layer: Int, rank: Int, buffers: LayerBuffers
  ) {
    self.rule = rule
    self.gate = gate
    self.gateWeights = gateWeights
    self.workspace = workspace
    self.buffers = buffers
    // Rules that do not rank a token's experts have nothing to add a bias to.
    self.biasUpdateRate = rule.ranksAllExperts ? biasUpdateRate : nil
    bias =
      rule.ranksAllExperts && (hasBias || biasUpdateRate != nil)
      ? Array(repeating: 0, count: rule.expertCount) : []
    loads = self.biasUpdateRate == nil ? [] : Array(repeating: 0, count: rule.expertCount)
    self.layer = layer
    self.rank = rank
  }

  /// Moves the bias by the step's load over all ranks, outside of the measurement. Collective.
  func updateBias(on comm: borrowing Communicator) throws(MPIError) {
    guard let biasUpdateRate else { return }
    let counts = try comm.allReduce(loads, .sum).map(Double.init)
    SelectionBias.update(&bias, counts: counts, rate: biasUpdateRate)
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
    guard let global = workspace.global else {
      route(logits: logits, tokens: tokens, into: &decision, counts: true)
      return
    }
    try global.gather(logits, on: comm)
    // Every rank routes the same batch: one is enough for sums over ranks.
    route(
      logits: global.orderedLogits, tokens: global.orderedTokens, into: &global.decision,
      counts: rank == 0)
    global.takeOwn(into: &decision)
  }

  /// - Parameter counts: whether this rank's batch enters the sums over ranks.
  private func route(
    logits: UnsafeBufferPointer<Float>, tokens: UnsafeBufferPointer<UInt64>,
    into decision: inout RoutingDecision, counts: Bool
  ) {
    bias.withUnsafeBufferPointer { bias in
      let batch = RouterBatch(
        logits: logits, tokens: tokens, bias: bias.isEmpty ? nil : bias,
        scratch: workspace.scratch)
      rule.route(batch, into: &decision)
      if counts {
        balance?.add(logits: logits, decision: decision, tokens: tokens, score: rule.score)
      }
      if biasUpdateRate != nil { countLoads(decision, counts: counts) }
      limit(batch, &decision)
    }
  }

  private func countLoads(_ decision: borrowing RoutingDecision, counts: Bool) {
    for expert in loads.indices { loads[expert] = 0 }
    guard counts else { return }
    for index in 0..<decision.expertIndices.count {
      let expert = decision.expertIndices[index]
      if expert >= 0 { loads[Int(expert)] += 1 }
    }
  }

  private func limit(_ batch: RouterBatch, _ decision: inout RoutingDecision) {
    guard let limiter = workspace.limiter else { return }
    let tokens = batch.tokens
    if limiter.rule.policy == .reroute {
      limiter.limit(&decision, tokens: tokens, topK: rule.topK, layer: layer) {
        token, scores, weights in
        rule.preferences(batch, token: token, scores: scores, weights: weights)
      }
    } else {
      limiter.limit(&decision, tokens: tokens, topK: rule.topK, layer: layer)
    }
  }
}
