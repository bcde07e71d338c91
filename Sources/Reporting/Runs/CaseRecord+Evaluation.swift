// SPDX-License-Identifier: Apache-2.0
// epsim: from stamps and counters to the figures of a record.

internal import CostModel
internal import Foundation
internal import Placement
internal import Timing

extension CaseRecord {
  /// Evaluates a case.
  /// - Parameter base: step times of the first case on the same steps; nil for the first itself.
  public init(_ measurement: CaseMeasurement, base: [Double]?) {
    let timeline = measurement.timeline
    let exchanges = ExchangeFigures(timeline)
    let steps = timeline.stepTimes()
    let options = measurement.options
    name = measurement.name
    placement = options.placement
    isFitted = options.isFitted
    replicaChoice = options.replicaChoice
    let routing = options.routing
    topK = routing.topK
    capacity = routing.capacity.map { "\($0)" } ?? "none"
    let exchange = options.exchange
    dedup = exchange.dedup
    transport = exchange.transport
    wire = exchange.wire
    combine = exchange.combine
    combineWire = exchange.combineWire
    compute = options.compute
    timing = options.timing
    jitterUs = options.jitterUs
    block = measurement.block
    stepUs = Samples(steps)
    phasesUs = Self.phases(timeline)
    expertTime = Self.overRanks(timeline, timeline.usefulTime)
    restUs = Self.overRanks(timeline) { timeline.restTime(rank: $0, step: $1) }.mean
    layers = Self.layers(measurement)
    ranks = Self.ranks(measurement, exchanges)
    dispatchUs = exchanges.meanRank(.dispatch)
    combineUs = exchanges.meanRank(.combine)
    shares = Shares(timeline, exchanges)
    efficiency = Efficiency(timeline, steps: steps)
    blame = BlameTable(timeline)
    checks = Checks(measurement, steps: steps)
    groups = Self.groups(measurement, steps: steps)

    let total = measurement.traffic.dropFirst().reduce(into: measurement.traffic[0], +=).total
    let perStep = { (count: Int) in Double(count) / Double(measurement.traffic.count) }
    let volume = MeanVolume(measurement.volumes)
    copies = Copies(total, volume, perStep: perStep)
    bytes = Bytes(copies, rowBytes: measurement.rowBytes)
    wireBytes = WireBytes(volume)
    messages = volume.mean(\.messages)
    bandwidth = Bandwidth(bytes, time: dispatchUs.total + combineUs.total)
    var ranks = LoadCounters()
    var nodes = LoadCounters()
    for step in measurement.traffic {
      ranks.addRanks(of: step)
      nodes.addNodes(of: step)
    }
    load = ranks.summary
    nodeLoad = nodes.summary
    fanOut = FanOut(ranks: total.fanOutRanks, nodes: total.fanOutNodes)
    dropped = Dropped(
      assignments: perStep(total.droppedAssignments), tokens: perStep(total.droppedTokens))
    replicas = Replicas(measurement)
    expertMaxOverMean = measurement.traffic.map(\.expertMaxOverMean)
    outputDigest = String(format: "%016llx", measurement.digest)
    balance = measurement.balance
    chunks = exchange.chunks
    choices = measurement.choices
    if exchange.chunks != 1 {
      poll = exchange.polls ? "on" : "off"
      overlap = Overlap(timeline)
    }
    biasUpdate = routing.biasUpdate
    expertRate = options.expertRate
    if let offer = measurement.capacity {
      dropPolicy = routing.dropPolicy
      capacityScope = routing.capacityScope
      capacityUse = CapacityUse(offer, total, steps: measurement.traffic.count)
    }
    delay = options.delay
    slow = options.slow
    ratioToFirst = base.map { Ratio(PairedRatio(steps, base: $0)) }
    referenceError = measurement.referenceError
    referenceTokens = measurement.referenceError == nil ? nil : measurement.referenceTokens
  }

  /// Maximum and mean over ranks of every phase, per step, then the median over steps.
  private static func phases(_ timeline: CaseTimeline) -> [String: PhaseTime] {
    var result: [String: PhaseTime] = [:]
    for phase in Phase.allCases {
      result[phase.name] = overRanks(timeline) { timeline.time(of: phase, rank: $0, step: $1) }
    }
    result["other"] = overRanks(timeline) { timeline.otherTime(rank: $0, step: $1) }
    return result
  }

  private static func overRanks(
    _ timeline: CaseTimeline, _ time: (_ rank: Int, _ step: Int) -> Double
  ) -> PhaseTime {
    PhaseTime(
      max: timeline.median { step in (0..<timeline.rankCount).map { time($0, step) }.max()! },
      mean: timeline.median { step in timeline.mean { time($0, step) } })
  }

  private static func layers(_ measurement: CaseMeasurement) -> [LayerTime] {
    let timeline = measurement.timeline
    return measurement.placement.layers.enumerated().map { index, number in
      var load = LoadCounters()
      for step in measurement.traffic { load.add(loads: step.layer(index).receivedPerRank) }
      let expert = overRanks(timeline) {
        timeline.time(of: .expert, rank: $0, step: $1, layer: index)
      }
      let whole = overRanks(timeline) { rank, step in
        Phase.allCases.reduce(0) {
          $0 + timeline.time(of: $1, rank: rank, step: step, layer: index)
        }
      }
      return LayerTime(
        layer: number, layerUs: whole.max, expertMaxUs: expert.max, expertMeanUs: expert.mean,
        loadMaxOverMean: load.summary.maxOverMean)
    }
  }

  private static func ranks(
    _ measurement: CaseMeasurement, _ exchanges: ExchangeFigures
  ) -> [RankTime] {
    let timeline = measurement.timeline
    return (0..<timeline.rankCount).map { rank in
      func time(_ phase: Phase) -> Double {
        timeline.median { timeline.time(of: phase, rank: rank, step: $0) }
      }
      let rows = measurement.traffic.reduce(0) { $0 + $1.total.receivedPerRank[rank] }
      return RankTime(
        expertUs: time(.expert), packUs: time(.pack), ungroupUs: time(.ungroup),
        dispatchUs: exchanges.rank(rank, .dispatch), combineUs: exchanges.rank(rank, .combine),
        rows: Double(rows) / Double(measurement.traffic.count))
    }
  }

  private static func groups(_ measurement: CaseMeasurement, steps: [Double]) -> [GroupTime] {
    var first = 0
    return measurement.groupSteps.enumerated().compactMap { index, count in
      defer { first += count }
      guard count > 0 else { return nil }
      return GroupTime(
        group: index, steps: count, medianUs: Estimate(Array(steps[first..<first + count])).median)
    }
  }
}

extension CaseRecord.Samples {
  init(_ values: [Double]) {
    let estimate = Estimate(values)
    median = estimate.median
    samples = values
    ci95 = estimate.interval.map { [$0.lowerBound, $0.upperBound] }
    p95 = Percentile.ninetyFifth.of(values)
    p99 = Percentile.ninetyNinth.of(values)
  }
}

extension CaseRecord.Ratio {
  init(_ ratio: PairedRatio) {
    median = ratio.ratio.median
    ci95 = ratio.ratio.interval.map { [$0.lowerBound, $0.upperBound] }
    differs = ratio.differs
  }
}

extension CaseTimeline {
  /// Median over steps.
  func median(_ value: (_ step: Int) -> Double) -> Double {
    Estimate((0..<stepCount).map(value)).median
  }

  /// Mean over ranks.
  func mean(_ value: (_ rank: Int) -> Double) -> Double {
    (0..<rankCount).reduce(0) { $0 + value($1) } / Double(rankCount)
  }

  /// Expert and shared compute of one rank, microseconds.
  func usefulTime(rank: Int, step: Int) -> Double {
    time(of: .expert, rank: rank, step: step) + time(of: .shared, rank: rank, step: step)
  }

  /// Time of one rank that is neither expert nor exchange, microseconds.
  fileprivate func restTime(rank: Int, step: Int) -> Double {
    let phases: [Phase] = [.route, .plan, .pack, .group, .ungroup, .reduce]
    return phases.reduce(otherTime(rank: rank, step: step)) {
      $0 + time(of: $1, rank: rank, step: step)
    }
  }
}
