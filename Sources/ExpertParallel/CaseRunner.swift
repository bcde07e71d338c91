// SPDX-License-Identifier: Apache-2.0
// epsim: runs the steps of one case on one rank.

internal import CostModel
internal import Kernels
internal import MPI
internal import MoE
internal import Placement
internal import Timing

/// One case on one rank: its layers, its exchange, its stamps and its counters.
final class CaseRunner {
  let runCase: RunCase
  /// Stamps of the step that ran last.
  private(set) var recorder: SpanRecorder

  private let configuration: RunConfiguration
  private let layers: [DistributedLayer]
  private let engines: CaseEngines
  private let buffers: LayerBuffers
  /// What the node shares; nil where this case does not need it.
  private let space: NodeSpace?
  /// Where a router needs the tokens of all ranks; shared by the layers, which run in turn.
  private let global: GlobalBatch?
  private let rank: Int
  private let index: Int
  private let heartbeat: Heartbeat

  init(
    caseIndex: Int, configuration: RunConfiguration, rank: Int, shard: ExpertShard,
    buffers: LayerBuffers, space: NodeSpace?, bounds: RowBounds, heartbeat: Heartbeat
  ) throws {
    let runCase = configuration.cases[caseIndex]
    self.runCase = runCase
    self.configuration = configuration
    self.buffers = buffers
    self.space = runCase.schemes.contains(where: \.transport.sharesMemory) ? space : nil
    self.rank = rank
    index = caseIndex
    self.heartbeat = heartbeat
    let engines = try CaseEngines(
      runCase, configuration: configuration, rank: rank, bounds: bounds, buffers: buffers,
      space: space)
    self.engines = engines
    let assignments =
      configuration.tokenCapacity(rank: rank) * configuration.routing(of: runCase).choiceWidth
    let routers = try CaseRouters(
      runCase, configuration: configuration, rank: rank, shard: shard, buffers: buffers)
    global = routers.global
    layers = try configuration.layers.map {
      try DistributedLayer(
        layer: $0, runCase: runCase, configuration: configuration, rank: rank, shard: shard,
        buffers: buffers, engine: engines[layer: 0], router: routers.ofLayer[$0],
        assignmentCapacity: assignments)
    }
    recorder = SpanRecorder(
      layout: StampLayout(
        layerCount: layers.count,
        partnerCount: runCase.tellsPartners ? configuration.topology.rankCount : 0,
        hasFlights: runCase.recordsFlights),
      heartbeat: heartbeat)
  }

  /// Runs one step, the `number`th of the run with warm-up. Collective.
  func step(_ inputs: StepInputs, number: Int, on comm: borrowing Communicator) throws {
    try start(inputs)
    try chooseExchanges(on: comm)
    engines.clearVolume()
    space?.measureDistances()
    heartbeat.startStep(number, caseIndex: index)
    try comm.barrier()
    recorder.startStep()
    for layer in layers {
      recorder.mark(.layerStart)
      try layer.run(recorder: &recorder, output: buffers.activations, on: comm)
      recorder.mark(.layerEnd)
    }
    recorder.endStep()
    for layer in layers { try layer.router?.updateBias(on: comm) }
  }

  /// This rank's part of the digest of the step that ran last. Local.
  func digest(_ inputs: StepInputs) -> UInt64 {
    RowKernels.rowHash(
      tokens: inputs.tokenCount, length: configuration.model.hiddenSize,
      tokenIndices: inputs.globalTokens, from: buffers.activations)
  }

  /// Counters of this rank's tokens in the step that ran last. Local.
  func countedTraffic() -> TrafficCounters {
    var counters = TrafficCounters(
      placement: runCase.placement, topology: configuration.topology)
    for (layer, number) in zip(layers, configuration.layers) {
      counters.add(
        layerRow: runCase.placement.row(ofLayer: number)!, sourceRank: rank,
        slots: UnsafeBufferPointer(rebasing: layer.plan.slots[..<layer.plan.assignmentCount]),
        choices: layer.decision.topK, topK: configuration.routing(of: runCase).topK)
    }
    return counters
  }

  /// [layers, E] assignments of this rank's tokens to each expert in the step that ran last. Local.
  func expertLoads() -> [Int64] {
    let experts = configuration.model.expertCount
    var loads = Array(repeating: Int64(0), count: layers.count * experts)
    for (index, layer) in layers.enumerated() {
      for expert in layer.decision.expertIndices where expert != RoutingDecision.dropped {
        loads[index * experts + Int(expert)] += 1
      }
    }
    return loads
  }

  /// What left this rank in the step that ran last. Local.
  func exchangedVolume() -> ExchangeVolume { engines.volume }

  /// [layers] what moved the rows of the step that ran last; empty where there is no choice.
  func exchangeChoices() -> [ExchangeChooser.Choice] { engines.choices }

  /// [layers] rows that MPI delivered here in the step that ran last.
  func deliveredRows() -> [Int] { layers.map(\.receivedRowCount) }

  /// Runs one step unmeasured and compares a sample of this rank's tokens in every layer with the
  /// reference layer. Collective.
  ///
  /// - Returns: the largest error (``ReferenceLayer/error(of:reference:hidden:)``) and how many
  ///   tokens of this rank were compared in each layer.
  func checkStep(
    _ inputs: StepInputs, on comm: borrowing Communicator
  ) throws -> (error: Double, tokens: Int) {
    try start(inputs)
    heartbeat.enter(.checking)
    let hidden = configuration.model.hiddenSize
    let sample = sampledTokens(of: inputs.tokenCount)
    let output = UnsafeMutableBufferPointer<Float>.zeroed(inputs.tokenCount * hidden)
    defer { output.deallocate() }
    var scratch = SpanRecorder(layout: StampLayout(layerCount: 1))
    var error = 0.0
    for (layer, number) in zip(layers, configuration.layers) {
      let sampledInputs = rows(UnsafeBufferPointer(activations(inputs.tokenCount)), sample)
      output.update(repeating: 0)
      scratch.startStep()
      scratch.mark(.layerStart)
      try layer.run(recorder: &scratch, output: output.baseAddress!, on: comm)
      let reference = ReferenceLayer(weights: configuration.weights, layer: number).output(
        inputs: sampledInputs, decision: choices(layer.decision, sample))
      error = max(
        error,
        ReferenceLayer.error(
          of: rows(UnsafeBufferPointer(output), sample), reference: reference, hidden: hidden))
      for index in output.indices { buffers.activations[index] += output[index] }
    }
    return (error, sample.count)
  }

  /// Runs one step unmeasured and sums up what the routers do. Collective.
  func balanceStep(
    _ inputs: StepInputs, _ request: BalanceRequest, on comm: borrowing Communicator
  ) throws -> [LayerBalance] {
    try start(inputs)
    heartbeat.enter(.checking)
    var scratch = SpanRecorder(layout: StampLayout(layerCount: 1))
    return try layers.map { layer in
      let collector = try comm.agree {
        try BalanceCollector(
          request, configuration: configuration, step: inputs.step,
          hasProbabilities: layer.router != nil)
      }
      layer.router?.balance = collector
      defer { layer.router?.balance = nil }
      scratch.startStep()
      scratch.mark(.layerStart)
      try layer.run(recorder: &scratch, output: buffers.activations, on: comm)
      if layer.router == nil {
        inputs.globalTokens.withUnsafeBufferPointer {
          collector.add(logits: nil, decision: layer.decision, tokens: $0)
        }
      }
      return try collector.total(on: comm)
    }
  }

  private func start(_ inputs: StepInputs) throws(MPIError) {
    buffers.activations.update(
      from: inputs.rows.baseAddress!, count: inputs.tokenCount * configuration.model.hiddenSize)
    let looked = inputs.decisions[runCase.routing]
    try global?.prepare(step: inputs.step)
    for (index, layer) in layers.enumerated() {
      layer.prepare(
        step: inputs.step, inputs, looked: looked.isEmpty ? nil : looked[index])
    }
  }

  /// Chooses what moves the rows of each layer in the step that comes, outside of the measurement.
  /// Collective where there is a choice.
  ///
  /// Looked-up choices are counted beforehand. What live routers will choose is not known: the
  /// counts of the step before stand for it, and in the first step nothing does. So does the
  /// experts' time of the step before.
  private func chooseExchanges(on comm: borrowing Communicator) throws(MPIError) {
    guard let selection = runCase.selection else { return }
    if !configuration.routing(of: runCase).isLive {
      for layer in layers { layer.planAhead() }
    }
    var traffic = countedTraffic()
    traffic.replaceValues(try comm.allReduce(traffic.values, .sum))
    var expertTimes = Array(repeating: Int64(0), count: layers.count)
    if selection.needsExpertTime {
      let stamps = recorder.lastStep()
      for index in layers.indices {
        let stamp = { (stamp: LayerStamp) in
          stamps[self.recorder.layout.index(of: stamp, layer: index)]
        }
        expertTimes[index] = stamp(Phase.expert.endStamp) - stamp(Phase.expert.startStamp)
      }
      expertTimes = try comm.allReduce(expertTimes, .max)
    }
    try engines.choose(
      traffic, rows: configuration.layers.map { runCase.placement.row(ofLayer: $0)! },
      expertUs: expertTimes.map { Double($0) / 1000 }, on: comm)
    for (index, layer) in layers.enumerated() { layer.engine = engines[layer: index] }
  }

  private func activations(_ tokens: Int) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(
      start: buffers.activations, count: tokens * configuration.model.hiddenSize)
  }

  /// Multiply-adds that a check may spend per rank and case, about ten seconds.
  private static let checkBudget = 5_000_000_000

  /// Evenly spaced tokens, as many as the budget allows, at least one.
  private func sampledTokens(of count: Int) -> [Int] {
    let model = configuration.model
    let perToken =
      (configuration.routing(of: runCase).topK * model.expertParameterCount
        + model.sharedParameterCount) * layers.count
    let wanted = min(count, max(1, Self.checkBudget / perToken))
    return (0..<wanted).map { $0 * count / wanted }
  }

  private func rows(_ source: UnsafeBufferPointer<Float>, _ tokens: [Int]) -> [Float] {
    let hidden = configuration.model.hiddenSize
    return tokens.flatMap { source[$0 * hidden..<($0 + 1) * hidden] }
  }

  private func choices(_ decision: RoutingDecision, _ tokens: [Int]) -> RoutingDecision {
    let topK = decision.topK
    return RoutingDecision(
      topK: topK,
      expertIndices: tokens.flatMap { decision.expertIndices[$0 * topK..<($0 + 1) * topK] },
      routingWeights: tokens.flatMap { decision.routingWeights[$0 * topK..<($0 + 1) * topK] })
  }
}
