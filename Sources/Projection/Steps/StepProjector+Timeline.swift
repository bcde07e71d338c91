// SPDX-License-Identifier: Apache-2.0
// epsim: a projected step as stamps, like those of a run.

internal import CostModel
public import Timing

extension StepProjector {
  /// The stamps that every rank would take in a step of these layers, nanoseconds after its start.
  ///
  /// The way forward only, in one chunk. Copies of rows that stay count as transfer.
  /// - Precondition: leaves are those of the network; one chunk.
  public mutating func timeline(loads layers: [LayerLoads]) -> CaseTimeline {
    precondition(projected.chunks == 1, "\(projected.chunks) chunks have no one order of phases")
    let layout = StampLayout(layerCount: layers.count)
    let ranks = topology.rankCount
    var stamps = Array(
      repeating: Array(repeating: Int64(0), count: layout.stampsPerStep), count: ranks)
    recursion.begin()
    var tally = BindingTally()
    for (index, loads) in layers.enumerated() {
      let ready = recursion.ready
      advance(loads, gradients: false, &tally)
      for rank in 0..<ranks {
        var time = ready[rank]
        func set(_ stamp: LayerStamp, after phases: RankPhase...) {
          for phase in phases { time += recursion.layer[phase, rank].value }
          stamps[rank][layout.index(of: stamp, layer: index)] = Int64((time * 1e9).rounded())
        }
        set(.layerStart)
        set(.begin)
        set(.route, after: .route)
        set(.plan, after: .plan)
        set(.pack, after: .delay, .pack)
        set(.dispatchEntered)
        set(.dispatchArrived, after: .dispatchWait, .dispatchTransfer)
        set(.dispatch)
        set(.group, after: .group)
        set(.expert, after: .expert)
        set(.shared, after: .shared)
        set(.ungroup, after: .ungroup)
        set(.combineEntered)
        set(.combineArrived, after: .combineWait, .combineTransfer)
        set(.combine)
        set(.reduce, after: .reduce)
        set(.layerEnd)
        stamps[rank][layout.stampsPerStep - 1] = Int64((time * 1e9).rounded())
      }
    }
    var timeline = CaseTimeline(layout: layout, rankCount: ranks)
    timeline.append(
      stampsOfRank: stamps, clockErrors: Array(repeating: 0, count: ranks))
    return timeline
  }
}
