// SPDX-License-Identifier: Apache-2.0
// epsim: what an exchange engine takes for a layer, on the slowest rank.

extension CaseTimeline {
  /// What an exchange takes of a layer.
  public struct EngineTime: Sendable, Equatable {
    /// Every phase but route, expert and shared, on the rank where they take longest; microseconds.
    public let us: Double
    /// Dispatch and combine of that rank, microseconds.
    public let travelUs: Double
  }

  /// What the exchange of a layer took in a step.
  public func engineTime(step: Int, layer: Int) -> EngineTime {
    func sum(_ phases: [Phase], _ rank: Int) -> Double {
      phases.reduce(0) { $0 + time(of: $1, rank: rank, step: step, layer: layer) }
    }
    let phases: [Phase] = [.plan, .pack, .dispatch, .group, .ungroup, .combine, .reduce]
    let times = (0..<rankCount).map { sum(phases, $0) }
    let slowest = times.indices.max { times[$0] < times[$1] } ?? 0
    return EngineTime(us: times[slowest], travelUs: sum([.dispatch, .combine], slowest))
  }
}
