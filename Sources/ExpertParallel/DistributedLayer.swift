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
  private(set) var decision: RoutingDecision
  /// [T] index of each token over the whole run.
  private var globalTokens: [UInt64] = []
  /// Rows that arrived in the last step, as counted by MPI.
  var receivedRowCount = 0
  /// The step that runs, warm-up included; jitter is drawn anew in each.
  private var stepNumber = 0

  let number: Int
  private let model: ModelShape
  private let elementType: ElementType
  private let runCase: RunCase
  private let buffers: LayerBuffers
  /// What moves its rows; may change between steps.
  var engine: LayerEngine
  let replicas: LayerReplicas
  let experts: ExpertStage
  private let shared: ExpertStage?
  /// Nil where choices are looked up.
  let router: LiveRouter?
  /// [2] the rank's tokens as the rows of one slot, for the shared experts.
  private let tokenRows: UnsafeMutableBufferPointer<Int>
  /// Times of phases that interleave.
  let ledger = PhaseLedger()
  private let rank: Int
  private let jitter: CounterRandom

  init(
    layer: Int, runCase: RunCase, configuration: RunConfiguration, rank: Int, shard: ExpertShard,
    buffers: LayerBuffers, engine: LayerEngine, replicas: LayerReplicas, router: LiveRouter?,
    assignmentCapacity: Int
  ) throws {
    number = layer
    model = configuration.model
    elementType = configuration.elementType
    self.runCase = runCase
    self.buffers = buffers
    self.engine = engine
    self.rank = rank
    self.replicas = replicas
    plan = DispatchPlan(
      assignmentCapacity: assignmentCapacity, slotOffsets: runCase.placement.slotOffsets)
    decision = RoutingDecision(tokenCount: 0, topK: configuration.routing(of: runCase).choiceWidth)
    experts = shard.expertStage(layer: layer, runCase: runCase, rank: rank)
    shared = shard.sharedStage(layer: layer, compute: runCase.compute)
    self.router = router
    tokenRows = .zeroed(2)
    jitter = CounterRandom(seed: configuration.seed, 0x71_77E2, UInt64(rank), UInt64(layer))
  }

  deinit { tokenRows.deallocate() }

  /// Takes over the tokens of a step, outside of the measurement. Local.
  ///
  /// - Parameters:
  ///   - number: of the step in the run, warm-up included.
  ///   - looked: choices that were looked up; nil where the layer's router computes them.
  func prepare(
    step number: Int, _ inputs: StepInputs, looked: RoutingDecision?
  ) {
    stepNumber = number
    globalTokens = inputs.globalTokens
    // A live router writes into memory of its own: a shared array would be copied in the step.
    decision =
      looked
      ?? RoutingDecision(
        tokenCount: inputs.tokenCount, topK: router?.rule.choiceWidth ?? decision.topK)
  }

  /// Plans the step that comes, outside of the measurement, so that its rows can be counted. Collective
  /// where the replica choice is.
  func planAhead(on comm: borrowing Communicator) throws(MPIError) {
    try plan.choose(decision, replicas: replicas, on: comm)
  }

  /// Runs the layer on `buffers.activations`, marking the end of every phase. Collective.
  ///
  /// - Parameters:
  ///   - recorder: gets the stamps of the layer, its wall time apart from its phases.
  ///   - output: [T, H] what the result is added to: the activations themselves in a chain of
  ///     layers, where they are the residual.
  func run(
    recorder: inout SpanRecorder, output: UnsafeMutablePointer<Float>,
    on comm: borrowing Communicator
  ) throws {
    switch engine {
    case .whole(let exchange):
      try run(exchange, recorder: &recorder, output: output, on: comm)
    case .chunked(let exchange):
      try run(exchange, recorder: &recorder, output: output, on: comm)
    }
  }

  /// One exchange each way, phase after phase.
  private func run(
    _ exchange: any LayerExchange, recorder: inout SpanRecorder,
    output: UnsafeMutablePointer<Float>, on comm: borrowing Communicator
  ) throws {
    recorder.mark(.begin)
    try route(on: comm)
    recorder.mark(.route)
    try plan.build(decision, replicas: replicas, on: comm)
    try exchange.prepare(plan, decision)
    recorder.mark(.plan)
    disturb()
    exchange.pack()
    recorder.mark(.pack)
    let handle = try dispatch(exchange, recorder: &recorder, on: comm)
    recorder.mark(.dispatch)
    receivedRowCount = handle.receivedRows
    try exchange.group()
    recorder.mark(.group)
    experts.run(
      firstRows: exchange.arrived.firstRowOfSlot, x: buffers.groupedRows, y: buffers.expertOutput)
    recorder.mark(.expert)
    computeShared(polls: { false }, poll: {})
    recorder.mark(.shared)
    exchange.ungroup()
    recorder.mark(.ungroup)
    try combine(handle, exchange, recorder: &recorder, on: comm)
    recorder.mark(.combine)
    reduce(0..<decision.tokenCount, into: output) {
      exchange.returned(weights: $0, topK: decision.topK)
    }
    recorder.mark(.reduce)
  }

  private func dispatch(
    _ exchange: any LayerExchange, recorder: inout SpanRecorder, on comm: borrowing Communicator
  ) throws -> DispatchHandle {
    if runCase.timing == .barrier { try comm.barrier() }
    recorder.mark(.dispatchEntered)
    let handle = try exchange.dispatch(layer: number, on: comm)
    recorder.mark(.dispatchArrived)
    exchange.recordCompletions(.dispatch, into: &recorder)
    exchange.copyOwnRows()
    return handle
  }

  private func combine(
    _ handle: consuming DispatchHandle, _ exchange: any LayerExchange,
    recorder: inout SpanRecorder, on comm: borrowing Communicator
  ) throws {
    if runCase.timing == .barrier { try comm.barrier() }
    recorder.mark(.combineEntered)
    try exchange.combine(handle, on: comm)
    recorder.mark(.combineArrived)
    exchange.recordCompletions(.combine, into: &recorder)
    exchange.copyOwnResults()
  }

  /// Lets the time pass that the case injects.
  func disturb() {
    let delay = runCase.disturbance.delayBeforePack(
      rank: rank, draw: jitter, index: UInt64(stepNumber))
    guard delay > 0 else { return }
    let deadline = MonotonicClock.now() + delay
    // Stand-ins sleep so that many ranks fit on few cores: a busy one would hold up the others.
    if runCase.compute == .real {
      MonotonicClock.spin(until: deadline)
    } else {
      MonotonicClock.sleep(until: deadline)
    }
  }

  func route(on comm: borrowing Communicator) throws(MPIError) {
    let (tokens, hidden) = (decision.tokenCount, model.hiddenSize)
    RowKernels.rmsNorm(
      tokens: tokens, length: hidden, from: buffers.activations, into: buffers.normalised)
    guard let router else { return }
    // The array is not copied: nothing else writes to it in a step.
    try globalTokens.withUnsafeBufferPointer { tokens throws(MPIError) in
      try router.route(tokens: tokens, into: &decision, on: comm)
    }
  }

  func computeShared<Failure: Error>(
    polls: () -> Bool, poll: () throws(Failure) -> Void
  ) throws(Failure) {
    guard let shared else { return }
    let (tokens, hidden) = (decision.tokenCount, model.hiddenSize)
    RowKernels.convert(
      count: tokens * hidden, from: buffers.normalised, type: .f32, into: buffers.sharedInput,
      type: elementType)
    tokenRows[1] = tokens
    try shared.run(
      firstRows: tokenRows, x: buffers.sharedInput, y: buffers.sharedOutput, polls: polls,
      poll: poll)
  }

  /// Adds up the results of some tokens.
  ///
  /// - Parameter returned: what combine brought back for them, by their weights.
  func reduce(
    _ tokens: Range<Int>, into output: UnsafeMutablePointer<Float>,
    _ returned: (_ weights: UnsafePointer<Float>) -> ReturnedRows
  ) {
    let first = tokens.lowerBound * model.hiddenSize
    decision.routingWeights.withUnsafeBufferPointer { weights in
      // Without tokens there are no weights to point at.
      guard let weights = weights.baseAddress else { return }
      let returned = returned(weights + tokens.lowerBound * decision.topK)
      RowKernels.reduce(
        tokens: tokens.count, length: model.hiddenSize, topK: returned.perToken,
        weights: returned.weights, resultRows: returned.rows, results: returned.results,
        resultType: runCase.exchange.combineWire,
        shared: shared == nil ? nil : UnsafePointer(buffers.sharedOutput + first),
        into: output + first)
    }
  }
}
