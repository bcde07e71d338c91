// SPDX-License-Identifier: Apache-2.0
// epsim: one copy per node, fanned out inside the node.

internal import CostModel
internal import Kernels
internal import MPI
internal import MoE
internal import Timing

/// Two hops: a copy per token and node to this rank's partner there, which passes it on to the
/// ranks of its node that have experts for it.
///
/// Exact results, one per assignment, return straight. Summed results go back the way their copies
/// came: the partner adds up those of its node, and one row per copy returns.
final class NodeExchange: LayerExchange {
  var volume = ExchangeVolume()
  let arrived: ArrivedRows

  private let setting: ExchangeSetting
  private let outgoing: OutgoingRows
  private let fanOut: FanOut
  private let transport: any RowTransport
  private let local: any RowTransport
  private let unit: RowDatatype
  private let result: RowDatatype
  private var plan: DispatchPlan?
  /// Copies by source, as this rank takes them in for its node.
  private var taken: Partition
  /// Units by the rank that passed them on.
  private var arrivals: Partition
  private var returns: Partition
  private var remoteSends: Partition
  private var remoteTaken: Partition
  private var sentLocally: Partition
  private var arrivedLocally: Partition

  /// - Parameters:
  ///   - transport: between nodes.
  ///   - local: between the ranks of a node.
  init(
    _ setting: ExchangeSetting, transport: any RowTransport, local: any RowTransport
  ) throws(MPIError) {
    self.setting = setting
    self.transport = transport
    self.local = local
    outgoing = setting.outgoing()
    arrived = try setting.arrivals(outgoing)
    fanOut = FanOut(setting, unitBytes: outgoing.unitBytes)
    unit = try RowDatatype(byteCount: outgoing.unitBytes)
    result = try RowDatatype(byteCount: setting.resultBytes)
    let empty = Partition(peerCount: setting.rankCount)
    (taken, arrivals, returns, remoteSends) = (empty, empty, empty, empty)
    (remoteTaken, sentLocally, arrivedLocally) = (empty, empty, empty)
  }

  func prepare(_ plan: DispatchPlan, _ decision: borrowing RoutingDecision) throws(MPIError) {
    self.plan = plan
    try outgoing.prepare(plan, decision)
  }

  func pack() {
    let copies = outgoing.partition
    for peer in 0..<setting.rankCount where setting.leavesNode(to: peer) {
      outgoing.encodeBlock(
        for: peer,
        into: setting.buffers.sendRows + copies[peer].lowerBound * outgoing.unitBytes)
    }
  }

  func dispatch(layer: Int, on comm: borrowing Communicator) throws -> DispatchHandle {
    let (plan, copies, buffers) = (plan!, outgoing.partition, setting.buffers)
    try arrived.counts.exchange(
      rowsPerSlot: UnsafeBufferPointer(plan.rowsPerSlot), layer: layer, on: comm
    ) { peer in
      Announcement(
        rows: plan.sendPartition.counts[peer],
        units: outgoing.copies!.tokensPerRank[peer], forwarded: copies.counts[peer])
    }
    arrived.place()
    try setting.requireRoom(forRows: arrived.rowCount, layer: layer)
    try taken.setCounts(UnsafeBufferPointer(arrived.counts.forwardedPerSource))
    remoteSends.copyParts(of: copies, leavingOut: setting.rank)
    remoteTaken.copyParts(of: taken, leavingOut: setting.rank)
    try transport.exchange(
      .dispatch, rows: buffers.sendRows, remoteSends, into: buffers.forwardedRows, remoteTaken,
      row: unit, on: comm)
    setting.count(remoteSends, rowBytes: outgoing.unitBytes, in: &volume.dispatch)
    // Copies for the rank's own node are taken in by itself.
    outgoing.encodeBlock(
      for: setting.rank,
      into: buffers.forwardedRows + taken[setting.rank].lowerBound * outgoing.unitBytes)
    try passOn(on: comm)
    return DispatchHandle(receivedRows: arrived.rowCount)
  }

  /// The second hop.
  private func passOn(on comm: borrowing Communicator) throws {
    try fanOut.build(taken, from: setting.buffers.forwardedRows)
    fanOut.pack(
      taken, from: setting.buffers.forwardedRows, into: setting.buffers.fannedOutRows)
    try fanOut.placeArrivals(arrived, perForwarder: &arrivals)
    sentLocally.copyParts(of: fanOut.partition, leavingOut: setting.rank)
    arrivedLocally.copyParts(of: arrivals, leavingOut: setting.rank)
    try local.exchange(
      .dispatch, rows: setting.buffers.fannedOutRows, sentLocally,
      into: setting.buffers.receivedRows, arrivedLocally, row: unit, on: comm)
    setting.count(sentLocally, rowBytes: outgoing.unitBytes, in: &volume.dispatch)
  }

  func copyOwnRows() {
    setting.copyOwn(
      fanOut.partition, of: setting.buffers.fannedOutRows, to: arrivals,
      of: setting.buffers.receivedRows, rowBytes: outgoing.unitBytes)
  }

  func group() throws(ExchangeDisagreement) {
    try arrived.group(from: setting.buffers.receivedRows, into: setting.buffers.groupedRows)
  }

  func ungroup() {
    let sums = setting.scheme.returnsSums
    var row = 0
    for source in 0..<setting.rankCount {
      // Sums return by the rank that passed their copies on, other results straight.
      let first = sums ? arrived.firstUnit[source] : row
      arrived.writeResults(
        of: source, from: setting.buffers.expertOutput,
        into: setting.buffers.returnRows + first * setting.resultBytes)
      row += Int(arrived.resultsPerSource[source])
    }
  }

  func combine(
    _ handle: consuming DispatchHandle, on comm: borrowing Communicator
  ) throws {
    handle.use(for: arrived)
    let buffers = setting.buffers
    guard setting.scheme.returnsSums else {
      try returns.setCounts(UnsafeBufferPointer(arrived.counts.rowsPerSource))
      remoteTaken.copyParts(of: returns, leavingOut: setting.rank)
      remoteSends.copyParts(of: plan!.sendPartition, leavingOut: setting.rank)
      try transport.exchange(
        .combine, rows: buffers.returnRows, remoteTaken, into: buffers.combinedRows, remoteSends,
        row: result, on: comm)
      setting.count(remoteTaken, rowBytes: setting.resultBytes, in: &volume.combine)
      return
    }
    try local.exchange(
      .combine, rows: buffers.returnRows, arrivedLocally, into: buffers.fannedOutRows, sentLocally,
      row: result, on: comm)
    setting.count(arrivedLocally, rowBytes: setting.resultBytes, in: &volume.combine)
    setting.copyOwn(
      arrivals, of: buffers.returnRows, to: fanOut.partition, of: buffers.fannedOutRows,
      rowBytes: setting.resultBytes)
    fanOut.addUp(
      taken, from: buffers.fannedOutRows, into: buffers.forwardedRows)
    try transport.exchange(
      .combine, rows: buffers.forwardedRows, remoteTaken, into: buffers.combinedRows, remoteSends,
      row: result, on: comm)
    setting.count(remoteTaken, rowBytes: setting.resultBytes, in: &volume.combine)
  }

  func copyOwnResults() {
    let buffers = setting.buffers
    if setting.scheme.returnsSums {
      setting.copyOwn(
        taken, of: buffers.forwardedRows, to: outgoing.partition, of: buffers.combinedRows,
        rowBytes: setting.resultBytes)
    } else {
      setting.copyOwn(
        returns, of: buffers.returnRows, to: plan!.sendPartition, of: buffers.combinedRows,
        rowBytes: setting.resultBytes)
    }
  }

  func returned(weights: UnsafePointer<Float>, topK: Int) -> ReturnedRows {
    outgoing.returned(setting.buffers.combinedRows, weights: weights, topK: topK)
  }
}
