// SPDX-License-Identifier: Apache-2.0
// epsim: what ranks do alone in a layer.

internal import CostModel
internal import MoE
internal import Placement

/// Phases of a layer that no other rank takes part in.
struct LocalTimes {
  private let projected: ProjectedCase
  private let loads: LayerLoads
  /// Products, against those of the way forward.
  private let products: Double

  init(_ projected: ProjectedCase, _ loads: LayerLoads, gradients: Bool) {
    self.projected = projected
    self.loads = loads
    products = gradients ? 2 : 1
  }

  /// Sets the times of a rank, and adds the copies of what stays there to its exchanges.
  func fill(
    _ work: inout LayerWork, rank: Int, _ parameters: RankParameters, experts: ExpertTime,
    shared: ExpertTime
  ) {
    let (tokens, sent, received) = (loads.tokens[rank], loads.sent[rank], loads.received[rank])
    let slots = loads.rowsPerSlot[loads.slotOffsets[rank]..<loads.slotOffsets[rank + 1]]
    let rows = loads.copied
    let hidden = Double(projected.model.hiddenSize)
    let copied = CopiedBytes(
      hidden: projected.model.hiddenSize, tokens: tokens, packedRows: rows.packed[rank],
      groupedRows: received, returnedRows: rows.returned[rank], reducedRows: rows.reduced[rank],
      wireBytes: projected.dispatchBytes.value, elementBytes: projected.elementBytes,
      combineBytes: projected.combineBytes.value)
    // The norm reads and writes every row.
    work.local[.route, rank] =
      projected.betweenLayers + parameters.copyTime(Bytes(8 * hidden * Double(tokens)))
    work.local[.plan, rank] = parameters.planTime(assignments: Double(sent))
    work.local[.delay, rank] = projected.delays[rank] ?? .zero
    work.local[.pack, rank] = parameters.copyTime(Bytes(copied.pack))
    work.local[.group, rank] = parameters.copyTime(Bytes(copied.group))
    work.local[.ungroup, rank] = parameters.copyTime(Bytes(copied.ungroup))
    work.local[.reduce, rank] = parameters.copyTime(Bytes(copied.reduce))
    work.dispatch.add(parameters.copyTime(Bytes(dispatched(rank))), ofRank: rank)
    work.combine.add(parameters.copyTime(Bytes(combined(rank))), ofRank: rank)
    switch projected.compute {
    case .real:
      let factor = products * (projected.slowdowns[rank] ?? 1)
      work.local[.expert, rank] = factor * experts.time(rowsPerExpert: slots.lazy.map(Double.init))
      if projected.model.sharedFFNSize > 0 {
        work.local[.shared, rank] = products * shared.time(rows: Double(tokens), active: 1)
      }
    case .emulated(let rate):
      let factor = products * (projected.slowdowns[rank] ?? 1)
      work.local[.expert, rank] =
        factor * (experts.widths.workPerRow * Double(received) / rate)
      work.local[.shared, rank] =
        products * (shared.widths.workPerRow * Double(tokens) / rate)
    case .none:
      work.local[.expert, rank] = parameters.copyTime(
        Bytes((projected.elementBytes + 4) * hidden * Double(received)))
    }
  }

  /// Bytes that a rank reads and writes in dispatch besides what MPI moves.
  private func dispatched(_ rank: Int) -> Double {
    let (wire, rows) = (projected.dispatchBytes.value, loads.copied)
    return 2 * wire * Double(rows.own[rank] + rows.passedOn[rank])
      + (4 * Double(projected.model.hiddenSize) + wire) * Double(rows.encoded[rank])
  }

  /// The same of combine: with sums per node, results of the node are added up to those that were
  /// taken in.
  private func combined(_ rank: Int) -> Double {
    let rows = loads.copied
    var results = 2 * rows.ownResults[rank]
    if projected.combine == .preReduced, projected.dedup == .node {
      results += 2 * rows.own[rank] + rows.passedOn[rank] + rows.taken[rank]
    }
    return projected.combineBytes.value * Double(results)
  }
}
