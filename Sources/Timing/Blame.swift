// SPDX-License-Identifier: Apache-2.0
// epsim: who waited for whom, and why the other was late.

/// Who waited for whom in one step, and what had made the late rank late.
///
/// In every exchange what a rank waited beyond the error bound is booked on the rank that it waited
/// for, its culprit (``ExchangeSplit/culprit``): the rank that entered last where the exchange is a
/// collective, so that there is one culprit for all; one of its own partners where their completions
/// are known, so that nobody is blamed by a rank that it exchanges nothing with. Of several ranks
/// that entered within the error of each other, which one is the culprit is chance. The lateness of
/// a culprit against the mean entry splits exactly, for between two exchanges a rank does nothing
/// but work: it left the exchange before later than the mean rank (earlier waiting), it computed
/// longer, or it did all other work (route, plan, pack, group, ungroup, reduce) longer.
public struct Blame: Sendable, Equatable {
  /// What made a culprit late, summed over the exchanges in which it was; microseconds against the
  /// mean rank, negative where it was quicker.
  public struct Cause: Sendable, Equatable {
    /// Expert and shared compute.
    public var expert = 0.0
    /// All work that is neither compute nor exchange.
    public var packing = 0.0
    /// It left the exchange before, or started the step, later.
    public var earlier = 0.0
    /// Exchanges in which others waited for the rank.
    public var exchanges = 0

    public init() {}
  }

  /// [culprit][waiter] microseconds.
  public private(set) var waiting: [[Double]]
  /// [R] causes of each culprit.
  public private(set) var causes: [Cause]

  /// Attributes the waiting of one step.
  public init(_ timeline: CaseTimeline, step: Int) {
    let ranks = timeline.rankCount
    waiting = Array(repeating: Array(repeating: 0, count: ranks), count: ranks)
    causes = Array(repeating: Cause(), count: ranks)
    // Where each rank's way to the next exchange begins.
    var starts = (0..<ranks).map { timeline.span(rank: $0, step: step).lowerBound }
    for layer in 0..<timeline.layout.layerCount {
      for exchange in Phase.Exchange.allCases {
        let stamps = timeline.stamps(of: exchange, layer: layer, step: step)
        let compute =
          exchange == .combine
          ? (0..<ranks).map { rank in
            timeline.time(of: .expert, rank: rank, step: step, layer: layer)
              + timeline.time(of: .shared, rank: rank, step: step, layer: layer)
          } : Array(repeating: 0, count: ranks)
        add(stamps, starts: starts, compute: compute, timing: timeline.timing)
        starts = stamps.map(\.exit)
      }
    }
  }

  private mutating func add(
    _ stamps: [ExchangeStamps], starts: [Int64], compute: [Double], timing: ExchangeTiming
  ) {
    var culprits: Set<Int> = []
    for (rank, split) in ExchangeSplit.split(stamps, timing: timing).enumerated()
    where split.wait > split.error {
      guard let culprit = split.culprit else { continue }
      waiting[culprit][rank] += Double(split.wait) / 1000
      culprits.insert(culprit)
    }
    let mean = compute.reduce(0, +) / Double(compute.count)
    for culprit in culprits {
      let lateness = Self.aboveMean(stamps.map(\.entry), culprit)
      let earlier = Self.aboveMean(starts, culprit)
      causes[culprit].expert += compute[culprit] - mean
      causes[culprit].earlier += earlier
      causes[culprit].packing += lateness - earlier - (compute[culprit] - mean)
      causes[culprit].exchanges += 1
    }
  }

  /// How far one time lies above the mean of all, microseconds; exact for times of any size.
  private static func aboveMean(_ times: [Int64], _ index: Int) -> Double {
    let offsets = times.map { Double($0 - times[0]) / 1000 }
    return offsets[index] - offsets.reduce(0, +) / Double(offsets.count)
  }
}
