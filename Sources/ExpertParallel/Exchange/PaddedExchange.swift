// SPDX-License-Identifier: Apache-2.0
// epsim: blocks of equal size for every rank, filled up with whatever lies there.

internal import CostModel
internal import MPI
internal import MoE

/// `MPI_Alltoall` with room for the largest block of all in every block: the way of Tutel and
/// DeepSpeed, as a baseline.
///
/// The room is agreed on in each exchange, so nothing is dropped. It is known after the counts
/// only, so rows are packed inside the exchange.
final class PaddedExchange: LayerExchange {
  var volume = ExchangeVolume()
  let arrived: ArrivedRows

  private let setting: ExchangeSetting
  private let outgoing: OutgoingRows
  private let unit: RowDatatype
  private let result: RowDatatype
  private var plan: DispatchPlan?
  /// [2] units of every block, result rows of every block.
  private let room: UnsafeMutableBufferPointer<Int32>
  /// [A] where the result of each row lies.
  private let paddedRow: UnsafeMutableBufferPointer<Int32>
  /// [T, K] row of `combinedRows` that each choice adds.
  private let resultRows: UnsafeMutableBufferPointer<Int32>

  init(_ setting: ExchangeSetting) throws(MPIError) {
    self.setting = setting
    outgoing = setting.outgoing()
    arrived = try setting.arrivals(outgoing)
    unit = try RowDatatype(byteCount: outgoing.unitBytes)
    result = try RowDatatype(byteCount: setting.resultBytes)
    room = .zeroed(2)
    paddedRow = .zeroed(setting.bounds.sentRows)
    resultRows = .zeroed(setting.assignmentCapacity)
  }

  deinit {
    for buffer in [room, paddedRow, resultRows] { buffer.deallocate() }
  }

  func prepare(_ plan: DispatchPlan, _ decision: borrowing RoutingDecision) throws(MPIError) {
    self.plan = plan
    try outgoing.prepare(plan, decision)
  }

  /// Rows are packed once the room of a block is known.
  func pack() {}

  func dispatch(layer: Int, on comm: borrowing Communicator) throws -> DispatchHandle {
    let (plan, units, buffers) = (plan!, outgoing.partition, setting.buffers)
    try arrived.counts.exchange(
      rowsPerSlot: UnsafeBufferPointer(plan.rowsPerSlot), layer: layer, on: comm
    ) { peer in
      Announcement(rows: plan.sendPartition.counts[peer], units: units.counts[peer])
    }
    arrived.place()
    try setting.requireRoom(forRows: arrived.rowCount, layer: layer)
    room[0] = units.counts.max() ?? 0
    room[1] = outgoing.returning.counts.max() ?? 0
    try comm.allReduce(room, .max)
    let block = Int(room[0])
    for peer in 0..<setting.rankCount {
      outgoing.encodeBlock(for: peer, into: buffers.sendRows + peer * block * outgoing.unitBytes)
      arrived.firstUnit[peer] = peer * block
    }
    try comm.allToAll(
      rows: buffers.sendRows, into: buffers.receivedRows, rowsPerPeer: block, row: unit)
    setting.count(in: &volume.dispatch) { (units[$0].count, block * outgoing.unitBytes) }
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
        into: setting.buffers.returnRows + source * Int(room[1]) * setting.resultBytes)
    }
  }

  func combine(
    _ handle: consuming DispatchHandle, on comm: borrowing Communicator
  ) throws {
    handle.use(for: arrived)
    let block = Int(room[1])
    try comm.allToAll(
      rows: setting.buffers.returnRows, into: setting.buffers.combinedRows, rowsPerPeer: block,
      row: result)
    setting.count(in: &volume.combine) {
      (Int(arrived.resultsPerSource[$0]), block * setting.resultBytes)
    }
  }

  /// MPI has copied them.
  func copyOwnResults() {}

  func returned(weights: UnsafePointer<Float>, topK: Int) -> ReturnedRows {
    let returning = outgoing.returning
    for peer in 0..<setting.rankCount {
      let rows = returning[peer]
      for row in rows {
        paddedRow[row] = Int32(truncatingIfNeeded: peer * Int(room[1]) + row - rows.lowerBound)
      }
    }
    let compact = outgoing.returned(setting.buffers.combinedRows, weights: weights, topK: topK)
    for choice in 0..<plan!.assignmentCount {
      let row = compact.rows[choice]
      resultRows[choice] = row < 0 ? -1 : paddedRow[Int(row)]
    }
    return ReturnedRows(
      weights: compact.weights, rows: UnsafePointer(resultRows.baseAddress!),
      perToken: compact.perToken, results: compact.results)
  }
}
