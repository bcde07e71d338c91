// SPDX-License-Identifier: Apache-2.0
// epsim: projects cases on numbers of ranks that nobody launched.

internal import CostModel
internal import ExpertParallel
internal import Kernels
internal import MoE
internal import Placement
internal import Projection
internal import Timing
internal import Workloads

/// Computes the steps of cases on one cluster profile.
struct ProjectionRun {
  let setup: WorkloadSetup
  let files: InputFiles
  let profile: ClusterProfile
  let precision: Precision
  let tokensPerRank: Int
  /// Batches of the workload.
  let batches: Int
  let runsBackward: Bool
  let betweenLayers: Seconds
  let schedule: ExchangeSchedule

  /// Largest number of ranks whose pairs are counted.
  static let mostRanks = 4096

  /// What a case on so many ranks takes.
  ///
  /// - Throws: ``InputError`` for ranks, placements or cases that cannot be projected, and where the
  ///   weights do not fit into the ranks' memory.
  func point(_ spec: CaseSpec, name: String, ranks: Int) throws -> ProjectedPoint {
    let topology = try profile.topology(ranks: ranks)
    let placement = try self.placement(spec, topology: topology)
    try requireMemory(placement, topology: topology)
    let projected = try projectedCase(spec, placement: placement, topology: topology)
    let leaves = profile.network.leaves?.nodesPerLeaf
    var loads: [[LayerLoads]] = []
    var (largest, total) = (0, 0)
    for batch in 0..<batches {
      var layers: [LayerLoads] = []
      try demands(spec, placement, topology: topology, batch: batch) { demand in
        var load = LayerLoads(demand, of: projected, nodesPerLeaf: leaves)
        if schedule != .bound {
          try load.follow(schedule, demand, of: projected, network: profile.network)
        }
        layers.append(load)
        let received = demand.traffic.receivedPerRank
        largest += received.max() ?? 0
        total += received.reduce(0, +)
      }
      loads.append(layers)
    }
    func steps(_ profile: ClusterProfile) throws -> [ProjectedStep] {
      var projector = StepProjector(
        projected, network: profile.network,
        ranks: try profile.ranks(on: topology, precision), topology: topology)
      return loads.map { projector.step(loads: $0) }
    }
    let projectedSteps = try steps(profile)
    func mean(_ bytes: (LayerLoads) -> Bytes) -> Bytes {
      loads.reduce(Bytes.zero) { sum, layers in layers.reduce(sum) { $0 + bytes($1) } }
        / Double(batches)
    }
    var point = ProjectedPoint(
      name: name, topology: topology, tokens: ranks * tokensPerRank, steps: projectedSteps,
      offNodeBytes: mean(\.offNodeBytes), insideBytes: mean(\.insideBytes),
      leafBytes: mean(\.leafBytes),
      loadMaxOverMean: total > 0 ? Double(largest * ranks) / Double(total) : 1,
      outside: profile.outsideHull(
        of: topology, messages: Self.union(loads, \.messageBytes),
        rows: Self.union(loads, \.rowsPerExpert)), influences: [])
    point.influences = try influences(on: point.typical.time) { try steps($0) }
    return point
  }

  /// The range over all layers and batches.
  private static func union(
    _ loads: [[LayerLoads]], _ range: (LayerLoads) -> ClosedRange<Double>?
  ) -> ClosedRange<Double>? {
    loads.joined().compactMap(range).reduce(nil) { union, range in
      guard let union else { return range }
      return min(union.lowerBound, range.lowerBound)...max(union.upperBound, range.upperBound)
    }
  }

  /// A batch of a case in detail: bytes between pairs, and stamps with their counters.
  func detail(
    _ spec: CaseSpec, ranks: Int
  ) throws -> (matrix: ByteMatrix, timeline: CaseTimeline, counters: TrafficCounters) {
    let topology = try profile.topology(ranks: ranks)
    let placement = try self.placement(spec, topology: topology)
    let projected = try projectedCase(spec, placement: placement, topology: topology)
    guard projected.chunks == 1 else {
      throw InputError("--timeline with --chunks \(projected.chunks), accepted is 1")
    }
    var matrix = ByteMatrix(rankCount: ranks)
    var layers: [LayerLoads] = []
    var counters = TrafficCounters(placement: placement, topology: topology)
    let leaves = profile.network.leaves?.nodesPerLeaf
    try demands(spec, placement, topology: topology, batch: 0) { demand in
      matrix.add(demand, of: projected)
      layers.append(LayerLoads(demand, of: projected, nodesPerLeaf: leaves))
    }
    if let source = try source(of: spec, tokens: tokensPerRank * ranks) {
      let dealt = try TokenAssignment.block.ranks(
        tokenCount: tokensPerRank * ranks, rankCount: ranks)
      counters += WorkloadTraffic(
        source: source, placement: placement, topology: topology, choice: spec.replicaChoice
      ).counters(step: 0, rankOfPosition: dealt)
    }
    var projector = StepProjector(
      projected, network: profile.network, ranks: try profile.ranks(on: topology, precision),
      topology: topology)
    return (matrix, projector.timeline(loads: layers), counters)
  }

  /// What each number of the profile does to the step when it is as small and as large as it may be.
  private func influences(
    on time: Seconds, _ steps: (ClusterProfile) throws -> [ProjectedStep]
  ) throws -> [Influence] {
    try profile.values.filter(\.isContinuous).compactMap { value in
      let range = value.uncertainty
      let changes = try [range.lowerBound, range.upperBound].map { factor in
        let times = try steps(try profile.scaled(value.key, by: factor)).map(\.time).sorted()
        return times[(times.count - 1) / 2] / time - 1
      }
      let influence = Influence(value: value, low: changes[0], high: changes[1])
      return influence.size > 0 ? influence : nil
    }.sorted { ($1.size, $0.value.key) < ($0.size, $1.value.key) }
  }

  /// Layer by layer, so that no more than one layer's pairs are held.
  private func demands(
    _ spec: CaseSpec, _ placement: ExpertPlacement, topology: Topology, batch: Int,
    take: (LayerDemand) throws -> Void
  ) throws {
    let tokens = tokensPerRank * topology.rankCount
    guard let source = try source(of: spec, tokens: tokens) else {
      throw InputError(
        "a live router cannot be projected, its choices are only known where it runs; use "
          + "--workload with a trace or a generator")
    }
    let dealt = try TokenAssignment.block.ranks(
      tokenCount: tokens, rankCount: topology.rankCount)
    let perRank = CaseProjection.tokensPerRank(dealt, rankCount: topology.rankCount)
    for layer in placement.layers {
      let traffic = WorkloadTraffic(
        source: source,
        placement: try placement.selecting(layers: [layer], name: placement.name),
        topology: topology, choice: spec.replicaChoice)
      let counters = traffic.counters(step: batch, rankOfPosition: dealt)
      try take(LayerDemand(counters, layerRow: 0, tokensPerRank: perRank))
    }
  }

  /// The workload at this size: a trace that is too small for it is resampled.
  private func source(of spec: CaseSpec, tokens: Int) throws -> (any RoutingSource)? {
    guard let trace = setup.trace, tokens > setup.judgedTokens.count, spec.topK == nil,
      spec.capacityRule == nil
    else { return try setup.source(of: spec, tokensPerStep: tokens) }
    return ResampledTrace(trace: trace, tokens: setup.judgedTokens, seed: setup.options.seed)
  }

  /// Solves the placement; fewer experts than ranks are repeated until every rank has one.
  private func placement(_ spec: CaseSpec, topology: Topology) throws -> ExpertPlacement {
    let ranks = topology.rankCount
    let tokens = tokensPerRank * ranks
    let fitted = try setup.fitted(
      for: [spec.placement], judgedSteps: 0..<1, tokensPerStep: tokens, rankCount: ranks,
      files: files)
    let placement = try setup.place(
      spec.placement, topology: topology, fitted: fitted, files: files)
    guard placement.slotCount < ranks else { return placement }
    guard spec.placement == .contiguous else {
      throw InputError(
        "placement \(spec.placement) has \(placement.slotCount) slots for \(ranks) ranks, accepted "
          + "are contiguous, which repeats experts until every rank has one, and as many EXTRA "
          + "slots as are missing, such as eplb+\(ranks - placement.expertCount)")
    }
    let experts = placement.expertCount
    let row = (0..<ranks).map { Int32($0 * experts / ranks) }
    return try ExpertPlacement(
      name: placement.name, layers: placement.layers, expertCount: experts,
      slotOffsets: Array(0...ranks), physicalToLogical: placement.layers.map { _ in row })
  }

  private func projectedCase(
    _ spec: CaseSpec, placement: ExpertPlacement, topology: Topology
  ) throws -> ProjectedCase {
    var projected = try CaseProjection(
      model: setup.model, elementType: precision == .f32 ? .f32 : .bf16, topology: topology,
      hops: profile.hops
    ).projected(spec, placement: placement)
    guard schedule == .bound || projected.dedup != .node else {
      throw InputError(
        "--schedule \(schedule.rawValue) with --dedup node, whose two hops it does not follow; "
          + "accepted is bound")
    }
    projected.elementBytes = precision.bytes
    projected.runsBackward = runsBackward
    projected.betweenLayers = betweenLayers
    return projected
  }

  /// The experts of all layers of the model, not only of those that are projected.
  private func requireMemory(_ placement: ExpertPlacement, topology: Topology) throws {
    let model = setup.model
    let layers = Double(model.moeLayers.count)
    try profile.requireMemory(
      for:
        "\(model.name) in \(precision.rawValue), the experts of \(model.moeLayers.count) layers,",
      on: topology
    ) { rank in
      let slots = Double(placement.slots(ofRank: rank).count)
      let weights = slots * Double(model.expertParameterCount) + Double(model.sharedParameterCount)
      return Bytes(weights * layers * precision.bytes)
    }
  }
}
