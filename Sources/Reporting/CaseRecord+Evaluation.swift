// SPDX-License-Identifier: Apache-2.0
// epsim: from stamps and counters to the figures of a case.

internal import CostModel
internal import Foundation
internal import Placement
internal import Timing

extension CaseRecord {
  /// Evaluates a case.
  /// - Parameter base: step times of the first case on the same steps; nil for the first itself.
  public init(_ measurement: CaseMeasurement, base: [Double]?) {
    let timeline = measurement.timeline
    let steps = timeline.stepTimes()
    name = measurement.name
    placement = measurement.placementSpec
    isFitted = measurement.isFitted
    replicaChoice = measurement.replicaChoice.rawValue
    wire = measurement.wire
    block = measurement.block
    stepUs = Samples(steps)
    phasesUs = Self.phases(timeline)
    expertTime = Self.overRanks(timeline) {
      timeline.time(of: .expert, rank: $0, step: $1)
        + timeline.time(of: .shared, rank: $0, step: $1)
    }
    restUs = Self.overRanks(timeline) { timeline.restTime(rank: $0, step: $1) }.mean
    layers = Self.layers(measurement)
    ranks = Self.ranks(measurement)
    let error = measurement.clockErrorUs
    dispatchUs = ExchangeTime(timeline, .dispatch, clockErrorUs: error)
    combineUs = ExchangeTime(timeline, .combine, clockErrorUs: error)
    shares = Shares(timeline)

    let total = measurement.traffic.dropFirst().reduce(into: measurement.traffic[0], +=).total
    let perStep = { (count: Int) in Double(count) / Double(measurement.traffic.count) }
    copies = Copies(total, perStep: perStep)
    bytes = Bytes(copies, rowBytes: measurement.rowBytes)
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
    outputDigest = String(format: "%016llx", measurement.digest)
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
      max: median(timeline) { step in (0..<timeline.rankCount).map { time($0, step) }.max()! },
      mean: median(timeline) { step in mean(timeline) { time($0, step) } })
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

  private static func ranks(_ measurement: CaseMeasurement) -> [RankTime] {
    let timeline = measurement.timeline
    return (0..<timeline.rankCount).map { rank in
      func time(_ phase: Phase) -> Double {
        median(timeline) { timeline.time(of: phase, rank: rank, step: $0) }
      }
      let rows = measurement.traffic.reduce(0) { $0 + $1.total.receivedPerRank[rank] }
      return RankTime(
        expertUs: time(.expert), dispatchUs: time(.dispatch), combineUs: time(.combine),
        rows: Double(rows) / Double(measurement.traffic.count))
    }
  }

  fileprivate static func median(_ timeline: CaseTimeline, _ value: (Int) -> Double) -> Double {
    Estimate((0..<timeline.stepCount).map(value)).median
  }

  fileprivate static func mean(_ timeline: CaseTimeline, _ value: (Int) -> Double) -> Double {
    (0..<timeline.rankCount).reduce(0) { $0 + value($1) } / Double(timeline.rankCount)
  }
}

extension CaseRecord.Samples {
  fileprivate init(_ values: [Double]) {
    let estimate = Estimate(values)
    median = estimate.median
    samples = values
    ci95 = estimate.interval.map { [$0.lowerBound, $0.upperBound] }
  }
}

extension CaseRecord.Ratio {
  fileprivate init(_ ratio: PairedRatio) {
    median = ratio.ratio.median
    ci95 = ratio.ratio.interval.map { [$0.lowerBound, $0.upperBound] }
    differs = ratio.differs
  }
}

extension CaseRecord.ExchangeTime {
  fileprivate init(_ timeline: CaseTimeline, _ exchange: Phase.Exchange, clockErrorUs: Double) {
    let phase: Phase = exchange == .dispatch ? .dispatch : .combine
    total = CaseRecord.median(timeline) { step in
      CaseRecord.mean(timeline) { timeline.time(of: phase, rank: $0, step: step) }
    }
    guard timeline.clocksAreAligned else { return }
    func part(_ value: ((wait: Double, transfer: Double)) -> Double) -> Double {
      CaseRecord.median(timeline) { step in
        let ranks = timeline.split(exchange, step: step)!
        return CaseRecord.mean(timeline) { value(ranks[$0]) }
      }
    }
    wait = part { $0.wait }
    transfer = part { $0.transfer }
    // Each layer's exchange may be off by the bound.
    error = clockErrorUs * Double(timeline.layout.layerCount)
  }
}

extension CaseTimeline {
  /// Time of one rank that is neither expert nor exchange, microseconds.
  fileprivate func restTime(rank: Int, step: Int) -> Double {
    let phases: [Phase] = [.route, .plan, .pack, .group, .ungroup, .reduce]
    return phases.reduce(otherTime(rank: rank, step: step)) {
      $0 + time(of: $1, rank: rank, step: step)
    }
  }
}

extension CaseRecord.Shares {
  /// Per step: the mean over ranks of each term over the mean of the ranks' own wall times; then
  /// the median over steps. `rest` is what remains, so that the four add up to 1.
  fileprivate init(_ timeline: CaseTimeline) {
    func share(_ time: (_ rank: Int, _ step: Int) -> Double) -> Double {
      CaseRecord.median(timeline) { step in
        CaseRecord.mean(timeline) { time($0, step) }
          / CaseRecord.mean(timeline) { timeline.wallTime(rank: $0, step: step) }
      }
    }
    expert = share { rank, step in
      timeline.time(of: .expert, rank: rank, step: step)
        + timeline.time(of: .shared, rank: rank, step: step)
    }
    guard timeline.clocksAreAligned else {
      // Without a split of the exchanges the rest is what was measured as such.
      rest = share { timeline.restTime(rank: $0, step: $1) }
      return
    }
    let splits = (0..<timeline.stepCount).map { step in
      Phase.Exchange.allCases.map { timeline.split($0, step: step)! }
    }
    let wait = share { rank, step in splits[step].reduce(0) { $0 + $1[rank].wait } }
    let transfer = share { rank, step in splits[step].reduce(0) { $0 + $1[rank].transfer } }
    rest = 1 - expert - wait - transfer
    self.wait = wait
    self.transfer = transfer
  }
}

extension CaseRecord.Copies {
  fileprivate init(_ total: LayerTraffic, perStep: (Int) -> Double) {
    // One result row returns for every dispatched row, so both ways count the same.
    func both(_ count: Int) -> CaseRecord.BothWays {
      CaseRecord.BothWays(dispatch: perStep(count), combine: perStep(count))
    }
    logical = both(total.assignments)
    offRank = both(total.offRankRaw)
    offRankRankDedup = both(total.offRankRankDedup)
    offNode = both(total.offNodeRaw)
    offNodeRankDedup = both(total.offNodeRankDedup)
    offNodeNodeDedup = both(total.offNodeNodeDedup)
  }
}

extension CaseRecord.Bytes {
  fileprivate init(_ copies: CaseRecord.Copies, rowBytes: (dispatch: Int, combine: Int)) {
    func bytes(_ copies: CaseRecord.BothWays) -> CaseRecord.BothWays {
      CaseRecord.BothWays(
        dispatch: copies.dispatch * Double(rowBytes.dispatch),
        combine: copies.combine * Double(rowBytes.combine))
    }
    logical = bytes(copies.logical)
    offRank = bytes(copies.offRank)
    offNode = bytes(copies.offNode)
  }
}

extension CaseRecord.Replicas {
  fileprivate init(_ measurement: CaseMeasurement) {
    let placement = measurement.placement
    extraSlots = placement.extraSlotCount
    extraBytes = extraSlots * measurement.expertBytes * measurement.weightLayerCount
    useless = placement.uselessReplicaCount
  }
}
