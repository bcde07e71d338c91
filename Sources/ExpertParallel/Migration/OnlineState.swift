// SPDX-License-Identifier: Apache-2.0
// epsim: where the experts of an online run are, and what its steps have shown so far.

internal import MPI
internal import MoE
internal import Placement
internal import Timing
internal import Workloads

/// One rank of a course of an online run between two steps.
///
/// Its weights are its own; buffers and clocks are those of all courses.
final class OnlineState {
  /// Its first case has the placement of the next step.
  private var configuration: RunConfiguration
  private let bounds: RowBounds
  private let space: NodeSpace?
  private let shard: ExpertShard
  private let buffers: LayerBuffers
  private let clocks: RunClocks
  private let heartbeat: Heartbeat
  private let rank: Int
  /// Nil only while experts move.
  private var runner: CaseRunner?
  /// One for each stretch of steps without a move.
  private var collectors: [CaseCollector] = []
  /// [steps][layers * E] assignments of each expert, over all ranks.
  private var loads: [[Int64]] = []
  /// [steps with warm-up] load max/mean.
  private(set) var imbalances: [Double] = []
  /// [steps with warm-up] sums over layers of the largest and the mean rank load.
  private var rankLoads: [(max: Double, mean: Double)] = []
  /// Sum of the digests of all measured steps.
  private(set) var digest: UInt64 = 0

  /// Packs the experts of the first placement. Collective.
  init(
    _ configuration: RunConfiguration, bounds: RowBounds, buffers: LayerBuffers,
    space: NodeSpace?, shard: ExpertShard, clocks: RunClocks, heartbeat: Heartbeat,
    on comm: borrowing Communicator
  ) throws {
    self.configuration = configuration
    self.bounds = bounds
    self.buffers = buffers
    self.clocks = clocks
    self.space = space
    self.shard = shard
    self.heartbeat = heartbeat
    rank = comm.rank
    heartbeat.enter(.preparing)
    let keys = ShardKey.union(
      of: configuration.cases[..<1], rank: rank, configuration: configuration)
    try comm.agree { try shard.hold(keys) }
    try prepare(on: comm)
    try clocks.anchor(on: comm)
  }

  /// Where the experts are.
  var placement: ExpertPlacement { configuration.cases[0].placement }

  /// A placement on the ranks that move the fewest experts from where they are.
  func relabelled(
    _ placement: ExpertPlacement, by relabelling: Relabelling
  ) -> ExpertPlacement {
    relabelling.apply(
      to: placement, keeping: self.placement, topology: configuration.topology,
      fixedRanks: configuration.cases[0].disturbance.ranks)
  }

  /// Experts that a rank holds, over all layers.
  func experts(ofRank rank: Int) -> Int {
    placement.layers.indices.reduce(0) {
      $0 + placement.experts(onRank: rank, layerRow: $1).count
    }
  }

  /// Moves the experts. Collective.
  func move(
    to target: ExpertPlacement, lostRanks: Set<Int>, on comm: borrowing Communicator
  ) throws -> MigrationResult {
    // Layers hold the weights that they compute with.
    runner = nil
    if lostRanks.contains(rank) {
      for layer in configuration.layers { shard.keep([], ofLayer: layer) }
    }
    let result = try ExpertMigration(
      configuration, shard: shard, isReal: configuration.cases[0].compute == .real, rank: rank,
      heartbeat: heartbeat
    ).move(from: placement, to: target, lostRanks: lostRanks, on: comm)
    configuration.cases[0].placement = target
    let wanted = ShardKey.union(
      of: configuration.cases[..<1], rank: rank, configuration: configuration)
    precondition(shard.holdsAll(wanted), "an expert has not arrived")
    try prepare(on: comm)
    try clocks.anchor(on: comm)
    return result
  }

  /// Prepares the layers for the placement. Collective.
  private func prepare(on comm: borrowing Communicator) throws {
    let runner = try comm.agree {
      try CaseRunner(
        caseIndex: 0, configuration: configuration, rank: rank, shard: shard, buffers: buffers,
        space: space, bounds: bounds, heartbeat: heartbeat)
    }
    collectors.append(
      CaseCollector(
        runner.runCase, block: 0, layout: runner.recorder.layout, barrierCost: 0))
    self.runner = runner
  }

  /// Runs a step and keeps what it shows. Collective.
  func run(_ inputs: StepInputs, isMeasured: Bool, on comm: borrowing Communicator) throws {
    let runner = runner!
    try runner.step(inputs, number: inputs.step, on: comm)
    heartbeat.enter(.collecting)
    if isMeasured {
      digest &+= try comm.allReduce(runner.digest(inputs), .sum)
      try collectors[collectors.count - 1].collectStep(of: runner, on: comm)
    }
    loads.append(try comm.allReduce(runner.expertLoads(), .sum))
    var counters = runner.countedTraffic()
    counters.replaceValues(try comm.allReduce(counters.values, .sum))
    var sums = (max: 0.0, mean: 0.0)
    for row in placement.layers.indices {
      let received = counters.layer(row).receivedPerRank
      sums.max += Double(received.max() ?? 0)
      sums.mean += Double(received.reduce(0, +)) / Double(received.count)
    }
    rankLoads.append(sums)
    imbalances.append(sums.mean > 0 ? sums.max / sums.mean : 1)
  }

  /// Load max/mean of the last steps, as many as there are.
  func maxOverMean(lastSteps count: Int) -> Double {
    let sums = rankLoads.suffix(count).reduce((max: 0.0, mean: 0.0)) {
      ($0.max + $1.max, $0.mean + $1.mean)
    }
    return sums.mean > 0 ? sums.max / sums.mean : 1
  }

  /// What experts got in the last steps, as many as there are.
  func load(lastSteps count: Int) -> LoadHistogram {
    let experts = configuration.model.expertCount
    let layers = configuration.layers
    var sums = Array(repeating: 0, count: layers.count * experts)
    for step in loads.suffix(count) {
      for (index, load) in step.enumerated() { sums[index] += Int(load) }
    }
    return LoadHistogram(
      layers: layers,
      rows: layers.indices.map { Array(sums[$0 * experts..<($0 + 1) * experts]) })
  }

  /// The times of all measured steps so far, microseconds; on rank 0.
  func stepTimes() -> [Double] {
    collectors.filter { $0.stepCount > 0 }.flatMap {
      $0.result(clocks.current).timeline.stepTimes()
    }
  }
}
