// SPDX-License-Identifier: Apache-2.0
// epsim: from stamps to waiting, transfer, blame and efficiencies.

internal import Timing

/// The exchanges of a case, split once for every figure that needs them.
struct ExchangeFigures {
  private let timeline: CaseTimeline
  /// [exchange][steps][R], summed over layers.
  private let times: [Phase.Exchange: [[ExchangeTimes]]]

  init(_ timeline: CaseTimeline) {
    self.timeline = timeline
    times = Dictionary(
      uniqueKeysWithValues: Phase.Exchange.allCases.map { exchange in
        (exchange, (0..<timeline.stepCount).map { timeline.times(of: exchange, step: $0) })
      })
  }

  /// Medians over steps of the mean over ranks.
  func meanRank(_ exchange: Phase.Exchange) -> CaseRecord.ExchangeTime {
    figures(exchange) { steps, part in timeline.mean { steps[$0][keyPath: part] } }
  }

  /// Medians over steps of one rank.
  func rank(_ rank: Int, _ exchange: Phase.Exchange) -> CaseRecord.ExchangeTime {
    figures(exchange) { ranks, part in ranks[rank][keyPath: part] }
  }

  /// One part of both exchanges of a rank, microseconds.
  func both(_ part: KeyPath<ExchangeTimes, Double>, rank: Int, step: Int) -> Double {
    Phase.Exchange.allCases.reduce(0) { $0 + times[$1]![step][rank][keyPath: part] }
  }

  private func figures(
    _ exchange: Phase.Exchange,
    _ overRanks: ([ExchangeTimes], KeyPath<ExchangeTimes, Double>) -> Double
  ) -> CaseRecord.ExchangeTime {
    func part(_ path: KeyPath<ExchangeTimes, Double>) -> Double {
      timeline.median { overRanks(times[exchange]![$0], path) }
    }
    return CaseRecord.ExchangeTime(
      total: part(\.total), wait: part(\.wait), transfer: part(\.transfer),
      selfCopy: part(\.selfCopy), barrier: part(\.barrier), error: part(\.error))
  }
}

extension CaseRecord.Shares {
  /// Per step: the mean over ranks of each term over the mean of the ranks' own wall times; then
  /// the median over steps. `rest` is what remains, so that the four add up to 1.
  init(_ timeline: CaseTimeline, _ exchanges: ExchangeFigures) {
    func share(_ time: (_ rank: Int, _ step: Int) -> Double) -> Double {
      timeline.median { step in
        timeline.mean { time($0, step) } / timeline.mean { timeline.wallTime(rank: $0, step: step) }
      }
    }
    expert = share(timeline.usefulTime)
    wait = share { exchanges.both(\.wait, rank: $0, step: $1) }
    transfer = share { exchanges.both(\.transfer, rank: $0, step: $1) }
    rest = 1 - expert - wait - transfer
  }
}

extension CaseRecord.Efficiency {
  /// Per step, then the median over steps; microseconds of useful time and of the step.
  init(_ timeline: CaseTimeline, steps: [Double]) {
    func useful(_ step: Int) -> [Double] {
      (0..<timeline.rankCount).map { timeline.usefulTime(rank: $0, step: step) }
    }
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
    loadBalance = timeline.median { step in
      let times = useful(step)
      let largest = times.max()!
      return largest > 0 ? mean(times) / largest : 1
    }
    communication = timeline.median { useful($0).max()! / steps[$0] }
    parallel = timeline.median { mean(useful($0)) / steps[$0] }
  }
}

extension CaseRecord.BlameTable {
  /// Means over steps: another rank may be last in every step, and a median would see none of them.
  init(_ timeline: CaseTimeline) {
    let steps = (0..<timeline.stepCount).map { Blame(timeline, step: $0) }
    let ranks = 0..<timeline.rankCount
    func mean(_ part: (Blame) -> Double) -> Double {
      steps.reduce(0) { $0 + part($1) } / Double(steps.count)
    }
    waitingUs = ranks.map { culprit in
      ranks.map { waiter in mean { $0.waiting[culprit][waiter] } }
    }
    causes = ranks.map { culprit in
      Cause(
        expertUs: mean { $0.causes[culprit].expert },
        packingUs: mean { $0.causes[culprit].packing },
        earlierUs: mean { $0.causes[culprit].earlier },
        exchanges: mean { Double($0.causes[culprit].exchanges) })
    }
  }
}

extension CaseRecord.Checks {
  init(_ measurement: CaseMeasurement, steps: [Double]) {
    let timeline = measurement.timeline
    let checks = TimelineChecks(timeline)
    largestGapUs = checks.largestGap
    largestGapShare = checks.largestGapShare
    backwardStamps = checks.backwardStamps
    causalityChecks = checks.causalityChecks
    causalityViolations = checks.causalityViolations
    stampsPerStep = timeline.layout.stampsPerStep
    stampNs = measurement.stampCost
    recordingShare =
      Double(stampsPerStep) * stampNs / 1000 / timeline.median { steps[$0] }
    barrierExitSkewUs = timeline.median { timeline.barrierExitSkew(step: $0) }
  }
}
