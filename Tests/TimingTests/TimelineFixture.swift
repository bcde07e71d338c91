// SPDX-License-Identifier: Apache-2.0
// epsim: timelines that tests write down by the ends of their phases.

import Timing

/// Stamps of one rank in one step of one layer, nanoseconds.
///
/// - Parameters:
///   - ends: the ends of the ten phases, microseconds.
///   - start: when step and layer begin.
///   - selfCopy: microseconds at the end of each exchange that copy the rank's own rows.
///   - barrier: microseconds at the start of each exchange that are spent in a barrier.
func stamps(
  _ ends: [Int64], start: Int64 = 0, stepEnd: Int64? = nil, selfCopy: Int64 = 0,
  barrier: (dispatch: Int64, combine: Int64) = (0, 0)
) -> [Int64] {
  precondition(ends.count == Phase.allCases.count)
  func end(_ phase: Phase) -> Int64 { ends[phase.rawValue] }
  let last = ends.last!
  let layer = LayerStamp.allCases.map { stamp -> Int64 in
    switch stamp {
    case .layerStart, .begin: start
    case .dispatchEntered: end(.pack) + barrier.dispatch
    case .dispatchArrived: end(.dispatch) - selfCopy
    case .combineEntered: end(.ungroup) + barrier.combine
    case .combineArrived: end(.combine) - selfCopy
    case .layerEnd: last
    default: end(Phase.allCases.first { $0.endStamp == stamp }!)
    }
  }
  return ([start] + layer + [stepEnd ?? last]).map { $0 * 1000 }
}

/// The stamps of one rank in one step of one layer, with completions. Shapes: `dispatch`, `combine`
/// [R] microseconds, nil where a rank is no partner.
func stamps(_ stamps: [Int64], dispatch: [Int64?], combine: [Int64?]) -> [Int64] {
  func time(_ stamp: LayerStamp) -> Int64 { stamps[1 + stamp.rawValue] }
  return stamps.dropLast() + dispatch.map { $0.map { $0 * 1000 } ?? time(.pack) }
    + [time(.dispatchArrived)] + combine.map { $0.map { $0 * 1000 } ?? time(.ungroup) }
    + [time(.combineArrived), stamps.last!]
}

/// A timeline of one step of one layer. Shape: `ranks` [R][stampsPerStep].
func timeline(
  _ ranks: [[Int64]], errors: [Int64]? = nil, timing: ExchangeTiming = .clocks,
  hasPartners: Bool = false
) -> CaseTimeline {
  let layout = StampLayout(layerCount: 1, partnerCount: hasPartners ? ranks.count : 0)
  var timeline = CaseTimeline(layout: layout, rankCount: ranks.count, timing: timing)
  timeline.append(
    stampsOfRank: ranks, clockErrors: errors ?? Array(repeating: 0, count: ranks.count))
  return timeline
}
