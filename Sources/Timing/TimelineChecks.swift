// SPDX-License-Identifier: Apache-2.0
// epsim: what must be true of every timeline, whatever was run.

/// The self-tests of a timeline: phases account for the time, and nothing arrives before it left.
public struct TimelineChecks: Sendable, Equatable {
  /// The most that the phases of a layer and its wall time, which is read apart, differ,
  /// microseconds.
  public let largestGap: Double
  /// The same as a share of the wall time of its layer.
  public let largestGapShare: Double
  /// Stamps that lie before the stamp taken before them; none on a sound clock.
  public let backwardStamps: Int
  /// Pairs of ranks and dispatches for which causality was checked: all in a collective, the
  /// partners of each rank where completions are known.
  public let causalityChecks: Int
  /// Dispatches that a rank left (by completions: in which it had all messages of a partner) before
  /// the other had entered, beyond the clocks' error bounds. A dispatch begins with counts, of which
  /// every rank sends some to every other, at least to every partner.
  public let causalityViolations: Int

  public init(_ timeline: CaseTimeline) {
    var gap = 0.0
    var gapShare = 0.0
    var backward = 0
    var checks = 0
    var violations = 0
    for step in 0..<timeline.stepCount {
      for layer in 0..<timeline.layout.layerCount {
        for rank in 0..<timeline.rankCount {
          func stamp(_ name: LayerStamp) -> Int64 {
            timeline.stamp(name, layer: layer, rank: rank, step: step)
          }
          let phases = Phase.allCases.reduce(0) {
            $0 + timeline.time(of: $1, rank: rank, step: step, layer: layer)
          }
          let wall = Double(stamp(.layerEnd) - stamp(.layerStart)) / 1000
          gap = max(gap, abs(wall - phases))
          if wall > 0 { gapShare = max(gapShare, abs(wall - phases) / wall) }
          let stamps = LayerStamp.allCases.map(stamp)
          backward += zip(stamps, stamps.dropFirst()).count { $1 < $0 }
        }
        let dispatch = timeline.stamps(of: .dispatch, layer: layer, step: step)
        for (receiver, own) in dispatch.enumerated() {
          for (sender, other) in dispatch.enumerated() where sender != receiver {
            let isCollective = own.completions.isEmpty
            guard isCollective || own.hasPartner(sender) else { continue }
            checks += 1
            let received = isCollective ? own.arrived : own.completions[sender]
            if received < other.entry - own.clockError - other.clockError { violations += 1 }
          }
        }
      }
    }
    largestGap = gap
    largestGapShare = gapShare
    backwardStamps = backward
    causalityChecks = checks
    causalityViolations = violations
  }
}
