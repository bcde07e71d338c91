// SPDX-License-Identifier: Apache-2.0
// epsim: the stamps of all ranks of one case, and what follows from them.

/// All stamps of one case: every rank, every measured step.
///
/// Every figure is reduced over ranks first (maximum or mean), per step; medians over steps come
/// last. Times are nanoseconds on aligned clocks unless a name says microseconds.
public struct CaseTimeline: Sendable {
  public let layout: StampLayout
  public let rankCount: Int
  public let stepCount: Int
  /// Whether the ranks' clocks can be compared; where not, waiting cannot be told from transfer.
  public let clocksAreAligned: Bool
  /// [rank][step * stampsPerStep + stamp]
  private let stamps: [[Int64]]

  /// - Precondition: every rank has the same number of whole steps.
  public init(layout: StampLayout, stampsOfRank: [[Int64]], clocksAreAligned: Bool) {
    self.layout = layout
    rankCount = stampsOfRank.count
    let length = stampsOfRank.first?.count ?? 0
    precondition(
      stampsOfRank.allSatisfy { $0.count == length } && length % layout.stampsPerStep == 0,
      "ranks have \(stampsOfRank.map(\.count)) stamps, a step \(layout.stampsPerStep)")
    stepCount = length / layout.stampsPerStep
    self.clocksAreAligned = clocksAreAligned
    stamps = stampsOfRank
  }

  private func stamp(_ rank: Int, _ step: Int, _ index: Int) -> Int64 {
    stamps[rank][step * layout.stampsPerStep + index]
  }

  /// Time of each step, microseconds: latest end minus latest start over ranks.
  ///
  /// Where clocks are not aligned: the longest step of any rank.
  public func stepTimes() -> [Double] {
    (0..<stepCount).map { step in
      let starts = (0..<rankCount).map { stamp($0, step, 0) }
      let ends = (0..<rankCount).map { stamp($0, step, layout.stepEnd) }
      let time =
        clocksAreAligned
        ? ends.max()! - starts.max()! : zip(ends, starts).map { $0 - $1 }.max()!
      return Double(time) / 1000
    }
  }

  /// One rank's own time for a step, microseconds.
  public func wallTime(rank: Int, step: Int) -> Double {
    Double(stamp(rank, step, layout.stepEnd) - stamp(rank, step, 0)) / 1000
  }

  /// Time of a phase on one rank in one layer of one step, microseconds.
  public func time(of phase: Phase, rank: Int, step: Int, layer: Int) -> Double {
    let end = layout.end(of: phase, layer: layer)
    return Double(stamp(rank, step, end) - stamp(rank, step, end - 1)) / 1000
  }

  /// Time of a phase on one rank, summed over the layers of one step, microseconds.
  public func time(of phase: Phase, rank: Int, step: Int) -> Double {
    (0..<layout.layerCount).reduce(0) { $0 + time(of: phase, rank: rank, step: step, layer: $1) }
  }

  /// What a rank's step spends outside its phases, microseconds.
  public func otherTime(rank: Int, step: Int) -> Double {
    wallTime(rank: rank, step: step)
      - Phase.allCases.reduce(0) { $0 + time(of: $1, rank: rank, step: step) }
  }

  /// Waiting and transfer of an exchange per rank, summed over the layers of one step.
  ///
  /// Result: [R], microseconds; nil where clocks are not aligned.
  public func split(_ exchange: Phase.Exchange, step: Int) -> [(wait: Double, transfer: Double)]? {
    guard clocksAreAligned else { return nil }
    var sums = [(wait: Double, transfer: Double)](repeating: (0, 0), count: rankCount)
    for layer in 0..<layout.layerCount {
      let end = layout.end(of: exchange.phase, layer: layer)
      let splits = ExchangeSplit.split(
        entries: (0..<rankCount).map { stamp($0, step, end - 1) },
        exits: (0..<rankCount).map { stamp($0, step, end) })
      for (rank, split) in splits.enumerated() {
        sums[rank].wait += Double(split.wait) / 1000
        sums[rank].transfer += Double(split.transfer) / 1000
      }
    }
    return sums
  }
}
