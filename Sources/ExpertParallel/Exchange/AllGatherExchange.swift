// SPDX-License-Identifier: Apache-2.0
// epsim: every row to every rank, and the sum of all ranks' results back.

internal import CostModel
internal import MPI
internal import MoE

/// All-gather of the tokens, then reduce-scatter of what each rank's experts add to them: a default
/// of serving engines, as a baseline.
///
/// Every rank gets every token that has an expert anywhere; those without one of its own experts
/// cost it a row of zeros on the way back. MPI adds up, in an order of its own.
final class AllGatherExchange: LayerExchange {
  var volume = ExchangeVolume()
  let arrived: ArrivedRows

  private let setting: ExchangeSetting
  private let outgoing: OutgoingRows
  private let unit: RowDatatype
  private var plan: DispatchPlan?
  private var arrivals: Partition
  private var sums: Partition
  private let sumCounts: UnsafeMutableBufferPointer<Int32>

  init(_ setting: ExchangeSetting) throws(MPIError) {
    self.setting = setting
    outgoing = setting.outgoing()
    arrived = try setting.arrivals(outgoing)
    unit = try RowDatatype(byteCount: outgoing.unitBytes)
    arrivals = Partition(peerCount: setting.rankCount)
    sums = arrivals
    sumCounts = .zeroed(setting.rankCount)
  }

  deinit { sumCounts.deallocate() }

  func prepare(_ plan: DispatchPlan, _ decision: borrowing RoutingDecision) throws(MPIError) {
    self.plan = plan
    try outgoing.prepare(plan, decision)
  }

  func pack() { outgoing.encodeBlock(for: 0, into: setting.buffers.sendRows) }

  func dispatch(layer: Int, on comm: borrowing Communicator) throws -> DispatchHandle {
    let (plan, units) = (plan!, outgoing.partition.total)
    try arrived.counts.exchange(
      rowsPerSlot: UnsafeBufferPointer(plan.rowsPerSlot), layer: layer, on: comm
    ) { peer in
      Announcement(
        rows: plan.sendPartition.counts[peer], units: Int32(truncatingIfNeeded: units))
    }
    try arrivals.setCounts(UnsafeBufferPointer(arrived.counts.unitsPerSource))
    arrived.place()
    try setting.requireRoom(forRows: arrived.rowCount, layer: layer)
    for source in 0..<setting.rankCount {
      arrived.firstUnit[source] = arrivals[source].lowerBound
    }
    try comm.allGatherV(
      rows: setting.buffers.sendRows, into: setting.buffers.receivedRows, arrivals,
      row: unit)
    setting.count(in: &volume.dispatch) { _ in (units, units * outgoing.unitBytes) }
    return DispatchHandle(receivedRows: arrived.rowCount)
  }

  /// MPI has copied them.
  func copyOwnRows() {}

  func group() throws(ExchangeDisagreement) {
    try arrived.group(from: setting.buffers.receivedRows, into: setting.buffers.groupedRows)
  }

  func ungroup() {
    for source in 0..<setting.rankCount {
      arrived.writeResults(
        of: source, from: setting.buffers.expertOutput,
        into: setting.buffers.returnRows + arrivals[source].lowerBound * setting.resultBytes)
    }
  }

  func combine(
    _ handle: consuming DispatchHandle, on comm: borrowing Communicator
  ) throws {
    handle.use(for: arrived)
    for source in 0..<setting.rankCount {
      // More than MPI counts is refused as such.
      sumCounts[source] = Int32(clamping: arrivals[source].count * setting.hidden)
    }
    try sums.setCounts(UnsafeBufferPointer(sumCounts))
    let own = arrivals[setting.rank].count * setting.hidden
    try comm.reduceScatter(
      UnsafeBufferPointer(
        start: setting.buffers.returnRows.assumingMemoryBound(to: Float.self), count: sums.total),
      into: UnsafeMutableBufferPointer(
        start: setting.buffers.combinedRows.assumingMemoryBound(to: Float.self), count: own),
      sums, .sum)
    setting.count(arrivals, rowBytes: setting.resultBytes, in: &volume.combine)
  }

  /// MPI has added them.
  func copyOwnResults() {}

  func returned(weights: UnsafePointer<Float>, topK: Int) -> ReturnedRows {
    outgoing.returned(setting.buffers.combinedRows, weights: weights, topK: topK)
  }
}
