// SPDX-License-Identifier: Apache-2.0
// epsim: one MoE layer over all ranks, phase by phase.

internal import Kernels
internal import MPI
internal import MoE
internal import Placement
internal import Timing

/// One MoE layer of one case on one rank: route, plan, pack, dispatch, group, expert, shared,
/// ungroup, combine, reduce.
///
/// Notation and data flow: docs/architecture.md. Nothing here allocates in a step.
final class DistributedLayer {
  /// The plan of the last step.
  let plan: DispatchPlan
  /// The choices of the last step.
  var decision: RoutingDecision
  /// Rows that arrived in the last step, as counted by MPI.
  private(set) var receivedRowCount = 0

  private let model: ModelShape
  private let elementType: ElementType
  private let wire: ElementType
  private let buffers: LayerBuffers
  private let exchange: RowExchange
  private let replicas: ReplicaTable
  private let expertFFN: ExpertFFN
  private let expertWeights: [ExpertFFN.Weights]
  private let shared: (ffn: ExpertFFN, weights: ExpertFFN.Weights)?
  private let router: (product: LinearProduct, weights: PackedWeights, rule: any Router)?
  /// [S + 1] first grouped row of each local slot.
  private let firstRowOfSlot: UnsafeMutableBufferPointer<Int>

  init(
    layer: Int, runCase: RunCase, configuration: RunConfiguration, rank: Int, shard: ExpertShard,
    buffers: LayerBuffers, exchange: RowExchange, assignmentCapacity: Int
  ) throws {
    model = configuration.model
    elementType = configuration.elementType
    wire = runCase.wire
    self.buffers = buffers
    self.exchange = exchange
    let placement = runCase.placement
    replicas = ReplicaTable(
      placement: placement, layerRow: placement.row(ofLayer: layer)!, sourceRank: rank,
      topology: configuration.topology, choice: runCase.replicaChoice)
    plan = DispatchPlan(
      assignmentCapacity: assignmentCapacity, expertCount: placement.expertCount,
      slotOffsets: placement.slotOffsets)
    decision = RoutingDecision(tokenCount: 0, topK: model.topK)
    expertFFN = shard.expertFFN
    expertWeights = shard.weightsPerSlot(layer: layer, placement: placement, rank: rank)
    shared = shard.sharedFFN.map { ($0, shard.sharedWeights(layer: layer)!) }
    router = try shard.routerProduct.map {
      ($0, shard.routerWeights(layer: layer)!, try SoftmaxTopKRouter(model: configuration.model))
    }
    firstRowOfSlot = .zeroed(expertWeights.count + 1)
  }

  deinit { firstRowOfSlot.deallocate() }

  /// Runs the layer on `buffers.activations`, marking the end of every phase. Collective.
  ///
  /// - Parameters:
  ///   - recorder: gets a stamp at the start and at the end of every phase.
  ///   - output: [T, H] what the result is added to: the activations themselves in a chain of
  ///     layers, where they are the residual.
  func run(
    recorder: inout SpanRecorder, output: UnsafeMutablePointer<Float>,
    on comm: borrowing Communicator
  ) throws(MPIError) {
    recorder.mark()
    route()
    recorder.mark()
    try plan.build(decision, replicas: replicas)
    recorder.mark()
    pack()
    recorder.mark()
    let handle = try exchange.dispatch(
      plan, rows: buffers.sendRows, into: buffers.receivedRows,
      capacity: buffers.receiveCapacity, on: comm)
    recorder.mark()
    receivedRowCount = handle.receivedRows
    group()
    recorder.mark()
    computeExperts()
    recorder.mark()
    computeShared()
    recorder.mark()
    ungroup()
    recorder.mark()
    try exchange.combine(
      handle, plan, rows: buffers.returnRows, into: buffers.combinedRows, on: comm)
    recorder.mark()
    reduce(into: output)
    recorder.mark()
  }

  private func route() {
    let (tokens, hidden) = (decision.tokenCount, model.hiddenSize)
    RowKernels.rmsNorm(
      tokens: tokens, length: hidden, from: buffers.activations, into: buffers.normalised)
    if let router {
      router.product.multiply(
        rows: tokens, x: buffers.normalised, weights: router.weights, y: buffers.logits)
      router.rule.route(
        logits: UnsafeBufferPointer(start: buffers.logits, count: tokens * model.expertCount),
        into: &decision)
    }
  }

  private func pack() {
    RowKernels.gather(
      rows: plan.rowCount, length: model.hiddenSize,
      indices: UnsafePointer(plan.tokenOfRow.baseAddress!), from: buffers.normalised, type: .f32,
      into: buffers.sendRows, type: wire)
  }

  /// Rows from (source, slot) order into (slot, source) order: blocks stay whole.
  private func group() {
    let (localSlots, hidden) = (exchange.localSlotCount, model.hiddenSize)
    let received = exchange.receivedPerSlot
    let sources = localSlots == 0 ? 0 : received.count / localSlots
    var row = 0
    for slot in 0..<localSlots {
      firstRowOfSlot[slot] = row
      for source in 0..<sources { row += Int(received[source * localSlots + slot]) }
    }
    firstRowOfSlot[localSlots] = row
    forEachBlock { arrived, grouped, count in
      RowKernels.convert(
        count: count * hidden, from: buffers.receivedRows + arrived * hidden * wire.byteCount,
        type: wire, into: buffers.groupedRows + grouped * hidden * elementType.byteCount,
        type: elementType)
    }
  }

  private func computeExperts() {
    let hidden = model.hiddenSize
    for slot in 0..<exchange.localSlotCount {
      let first = firstRowOfSlot[slot]
      let rows = firstRowOfSlot[slot + 1] - first
      guard rows > 0 else { continue }
      expertFFN.apply(
        rows: rows, x: buffers.groupedRows + first * hidden * elementType.byteCount,
        weights: expertWeights[slot], y: buffers.expertOutput + first * hidden)
    }
  }

  private func computeShared() {
    guard let shared else { return }
    let (tokens, hidden) = (decision.tokenCount, model.hiddenSize)
    RowKernels.convert(
      count: tokens * hidden, from: buffers.normalised, type: .f32, into: buffers.sharedInput,
      type: elementType)
    shared.ffn.apply(
      rows: tokens, x: buffers.sharedInput, weights: shared.weights, y: buffers.sharedOutput)
  }

  private func ungroup() {
    let hidden = model.hiddenSize
    forEachBlock { arrived, grouped, count in
      RowKernels.convert(
        count: count * hidden, from: buffers.expertOutput + grouped * hidden, type: .f32,
        into: buffers.returnRows + arrived * hidden, type: .f32)
    }
  }

  private func reduce(into output: UnsafeMutablePointer<Float>) {
    decision.routingWeights.withUnsafeBufferPointer { weights in
      // Without tokens there are no weights to point at.
      guard let weights = weights.baseAddress else { return }
      RowKernels.reduce(
        tokens: decision.tokenCount, length: model.hiddenSize, topK: model.topK, weights: weights,
        resultRows: UnsafePointer(plan.rowOfAssignment.baseAddress!),
        results: UnsafePointer(buffers.combinedRows),
        shared: shared == nil ? nil : UnsafePointer(buffers.sharedOutput), into: output)
    }
  }

  /// Calls `body` with the first arrived row, the first grouped row and the row count of every
  /// block of rows that one source sent for one slot.
  @inline(__always)
  private func forEachBlock(_ body: (_ arrived: Int, _ grouped: Int, _ count: Int) -> Void) {
    let localSlots = exchange.localSlotCount
    guard localSlots > 0 else { return }
    let received = exchange.receivedPerSlot
    var arrived = 0
    for source in 0..<received.count / localSlots {
      for slot in 0..<localSlots {
        let count = Int(received[source * localSlots + slot])
        guard count > 0 else { continue }
        // Rows of earlier sources for the same slot come first.
        var grouped = firstRowOfSlot[slot]
        for earlier in 0..<source { grouped += Int(received[earlier * localSlots + slot]) }
        body(arrived, grouped, count)
        arrived += count
      }
    }
  }
}
