// SPDX-License-Identifier: Apache-2.0
// epsim: the stamps of all ranks of one case, and what follows from them.

/// All stamps of one case: every measured step, every rank, on aligned clocks.
///
/// Every figure is reduced over ranks first (maximum or mean), per step; medians over steps come
/// last. Stamps are nanoseconds; times are microseconds.
public struct CaseTimeline: Sendable, Equatable {
  public let layout: StampLayout
  public let rankCount: Int
  /// How waiting is told from transfer.
  public let timing: ExchangeTiming
  public private(set) var stepCount = 0
  /// [steps][R][stampsPerStep]
  public private(set) var stamps: [Int64] = []
  /// [steps][R] bound on the error of each rank's aligned clock.
  public private(set) var clockErrors: [Int64] = []

  public init(layout: StampLayout, rankCount: Int, timing: ExchangeTiming = .clocks) {
    self.layout = layout
    self.rankCount = rankCount
    self.timing = timing
  }

  /// Adds a step.
  ///
  /// Shapes: `stampsOfRank` [R][stampsPerStep], on aligned clocks; `clockErrors` [R], nanoseconds.
  public mutating func append(stampsOfRank: [[Int64]], clockErrors errors: [Int64]) {
    precondition(
      stampsOfRank.count == rankCount && errors.count == rankCount
        && stampsOfRank.allSatisfy { $0.count == layout.stampsPerStep },
      "\(stampsOfRank.map(\.count)) stamps of \(rankCount) ranks, a step has "
        + "\(layout.stampsPerStep)")
    precondition(
      layout.partnerCount == 0 || layout.partnerCount == rankCount,
      "\(layout.partnerCount) partners of \(rankCount) ranks")
    for rank in stampsOfRank { stamps += rank }
    clockErrors += errors
    stepCount += 1
  }

  /// Adds the steps of another timeline of the same case; they may be of another launch, for stamps
  /// are only compared within a step.
  public mutating func append(contentsOf other: CaseTimeline) {
    precondition(
      other.layout == layout && other.rankCount == rankCount,
      "\(other.rankCount) ranks, \(other.layout.layerCount) layers, after \(rankCount) and "
        + "\(layout.layerCount)")
    stamps += other.stamps
    clockErrors += other.clockErrors
    stepCount += other.stepCount
  }

  /// One stamp of a layer, nanoseconds.
  public func stamp(_ stamp: LayerStamp, layer: Int, rank: Int, step: Int) -> Int64 {
    self.stamp(layout.index(of: stamp, layer: layer), rank, step)
  }

  /// Start and end of a step on one rank, nanoseconds.
  public func span(rank: Int, step: Int) -> ClosedRange<Int64> {
    let start = stamp(0, rank, step)
    return start...max(start, stamp(layout.stepEnd, rank, step))
  }

  private func stamp(_ index: Int, _ rank: Int, _ step: Int) -> Int64 {
    stamps[(step * rankCount + rank) * layout.stampsPerStep + index]
  }

  /// Time of each step, microseconds: latest end minus latest start over ranks.
  public func stepTimes() -> [Double] {
    (0..<stepCount).map { step in
      let spans = (0..<rankCount).map { span(rank: $0, step: step) }
      let time = spans.map(\.upperBound).max()! - spans.map(\.lowerBound).max()!
      return Double(time) / 1000
    }
  }

  /// One rank's own time for a step, microseconds.
  public func wallTime(rank: Int, step: Int) -> Double {
    let span = span(rank: rank, step: step)
    return Double(span.upperBound - span.lowerBound) / 1000
  }

  /// Time of a phase on one rank in one layer of one step, microseconds.
  public func time(of phase: Phase, rank: Int, step: Int, layer: Int) -> Double {
    let end = stamp(phase.endStamp, layer: layer, rank: rank, step: step)
    return Double(end - stamp(phase.startStamp, layer: layer, rank: rank, step: step)) / 1000
  }

  /// Time of a phase on one rank, summed over the layers of one step, microseconds.
  public func time(of phase: Phase, rank: Int, step: Int) -> Double {
    (0..<layout.layerCount).reduce(0) { $0 + time(of: phase, rank: rank, step: step, layer: $1) }
  }

  /// Time from the first message of an exchange that set off to the last one seen complete, summed
  /// over the layers of one step, microseconds.
  /// - Precondition: flights are recorded.
  public func flightTime(of exchange: Phase.Exchange, rank: Int, step: Int) -> Double {
    (0..<layout.layerCount).reduce(0) { sum, layer in
      let start = layout.startOfFlight(of: exchange, layer: layer)
      return sum + Double(stamp(start + 1, rank, step) - stamp(start, rank, step)) / 1000
    }
  }

  /// What a rank's step spends outside its phases, microseconds.
  public func otherTime(rank: Int, step: Int) -> Double {
    wallTime(rank: rank, step: step)
      - Phase.allCases.reduce(0) { $0 + time(of: $1, rank: rank, step: step) }
  }

  /// The stamps of an exchange on every rank. Shape: [R].
  public func stamps(of exchange: Phase.Exchange, layer: Int, step: Int) -> [ExchangeStamps] {
    (0..<rankCount).map { rank in
      func time(_ name: LayerStamp) -> Int64 { stamp(name, layer: layer, rank: rank, step: step) }
      let arrived = time(exchange.arrivedStamp)
      var stamps = ExchangeStamps(
        entry: time(exchange.phase.startStamp), entered: time(exchange.enteredStamp),
        arrived: arrived, exit: time(exchange.phase.endStamp),
        clockError: clockErrors[step * rankCount + rank])
      if layout.partnerCount > 0 {
        let first = layout.firstCompletion(of: exchange, layer: layer)
        stamps.completions = (0..<rankCount).map { stamp(first + $0, rank, step) }
        stamps.pollGap = max(0, stamp(first + rankCount, rank, step) - arrived)
      }
      return stamps
    }
  }
}
