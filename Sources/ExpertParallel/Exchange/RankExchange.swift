// SPDX-License-Identifier: Apache-2.0
// epsim: rows straight to the ranks of their experts, and results the same way back.

internal import CostModel
internal import MPI
internal import MoE
internal import Timing

/// One block to every rank: a row per assignment, or a copy per token and rank.
///
/// A rank's own block is copied apart, so that the copy can be timed apart.
final class RankExchange: LayerExchange {
  var volume = ExchangeVolume()
  let arrived: ArrivedRows

  private let setting: ExchangeSetting
  private let outgoing: OutgoingRows
  private let transport: any RowTransport
  private let unit: RowDatatype
  private let result: RowDatatype
  private var plan: DispatchPlan?
  private var arrivals: Partition
  private var returns: Partition
  /// When every rank had told its counts.
  private var counted: Int64 = 0
  private var remoteSends: Partition
  private var remoteReceives: Partition
  private var remoteReturns: Partition
  private var remoteResults: Partition

  init(_ setting: ExchangeSetting, transport: any RowTransport) throws(MPIError) {
    self.setting = setting
    self.transport = transport
    outgoing = setting.outgoing()
    arrived = try setting.arrivals(outgoing)
    unit = try RowDatatype(byteCount: outgoing.unitBytes)
    result = try RowDatatype(byteCount: setting.resultBytes)
    let empty = Partition(peerCount: setting.rankCount)
    (arrivals, returns) = (empty, empty)
    (remoteSends, remoteReceives) = (empty, empty)
    (remoteReturns, remoteResults) = (empty, empty)
  }

  func prepare(_ plan: DispatchPlan, _ decision: borrowing RoutingDecision) throws(MPIError) {
    self.plan = plan
    try outgoing.prepare(plan, decision)
  }

  func pack() {
    let units = outgoing.partition
    for peer in 0..<setting.rankCount {
      outgoing.encodeBlock(
        for: peer,
        into: setting.buffers.sendRows + units[peer].lowerBound * outgoing.unitBytes)
    }
  }

  func dispatch(layer: Int, on comm: borrowing Communicator) throws -> DispatchHandle {
    let (plan, units) = (plan!, outgoing.partition)
    // Counts per slot, not per rank: the receiver then knows the expert of every row.
    try arrived.counts.exchange(
      rowsPerSlot: UnsafeBufferPointer(plan.rowsPerSlot), layer: layer, on: comm
    ) { peer in
      Announcement(rows: plan.sendPartition.counts[peer], units: units.counts[peer])
    }
    counted = MonotonicClock.now()
    try arrivals.setCounts(UnsafeBufferPointer(arrived.counts.unitsPerSource))
    arrived.place()
    try setting.requireRoom(forRows: arrived.rowCount, layer: layer)
    for source in 0..<setting.rankCount {
      arrived.firstUnit[source] = arrivals[source].lowerBound
    }
    remoteSends.copyParts(of: units, leavingOut: setting.rank)
    remoteReceives.copyParts(of: arrivals, leavingOut: setting.rank)
    try transport.exchange(
      .dispatch, rows: setting.buffers.sendRows, remoteSends, into: setting.buffers.receivedRows,
      remoteReceives, row: unit, on: comm)
    setting.count(remoteSends, rowBytes: outgoing.unitBytes, in: &volume.dispatch)
    return DispatchHandle(receivedRows: arrived.rowCount)
  }

  func copyOwnRows() {
    let own = outgoing.partition[setting.rank]
    (setting.buffers.receivedRows + arrivals[setting.rank].lowerBound * outgoing.unitBytes)
      .copyMemory(
        from: setting.buffers.sendRows + own.lowerBound * outgoing.unitBytes,
        byteCount: own.count * outgoing.unitBytes)
  }

  func group() throws(ExchangeDisagreement) {
    let buffers = setting.buffers
    try arrived.index(buffers.receivedRows)
    for source in 0..<setting.rankCount {
      arrived.group(source: source, from: buffers.receivedRows, into: buffers.groupedRows)
    }
  }

  func ungroup() {
    var row = 0
    for source in 0..<setting.rankCount {
      arrived.firstResult[source] = row
      arrived.writeResults(
        of: source, from: setting.buffers.expertOutput,
        into: setting.buffers.returnRows + row * setting.resultBytes)
      row += Int(arrived.resultsPerSource[source])
    }
  }

  func combine(
    _ handle: consuming DispatchHandle, on comm: borrowing Communicator
  ) throws {
    precondition(
      handle.receivedRows == arrived.rowCount,
      "the handle is of \(handle.receivedRows) rows, the exchange of \(arrived.rowCount)")
    try returns.setCounts(UnsafeBufferPointer(arrived.resultsPerSource))
    remoteReturns.copyParts(of: returns, leavingOut: setting.rank)
    remoteResults.copyParts(of: outgoing.returning, leavingOut: setting.rank)
    try transport.exchange(
      .combine, rows: setting.buffers.returnRows, remoteReturns,
      into: setting.buffers.combinedRows, remoteResults, row: result, on: comm)
    setting.count(remoteReturns, rowBytes: setting.resultBytes, in: &volume.combine)
  }

  func copyOwnResults() {
    let own = returns[setting.rank]
    (setting.buffers.combinedRows
      + outgoing.returning[setting.rank].lowerBound * setting.resultBytes)
      .copyMemory(
        from: setting.buffers.returnRows + own.lowerBound * setting.resultBytes,
        byteCount: own.count * setting.resultBytes)
  }

  func recordCompletions(_ way: Phase.Exchange, into recorder: inout SpanRecorder) {
    guard let times = transport.partnerTimes else { return }
    for (peer, time) in times.completions.enumerated() where peer != setting.rank {
      // Dispatch hears of every rank by its counts.
      let completed = way == .dispatch ? max(counted, time) : time
      if completed > 0 { recorder.record(partner: peer, of: way, completed: completed) }
    }
    recorder.record(pollGap: times.pollGap, of: way)
  }

  func returned(weights: UnsafePointer<Float>, topK: Int) -> ReturnedRows {
    outgoing.returned(setting.buffers.combinedRows, weights: weights, topK: topK)
  }
}
