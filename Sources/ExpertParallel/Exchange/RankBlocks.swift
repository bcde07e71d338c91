// SPDX-License-Identifier: Apache-2.0
// epsim: one block of rows for every rank, whatever way the blocks take.

internal import CostModel
internal import Kernels
internal import MPI
internal import MoE
internal import Timing

/// Where the blocks of an exchange lie in the buffers of a rank.
struct BlockPlace {
  var sendRows: UnsafeMutableRawPointer
  var receivedRows: UnsafeMutableRawPointer
  var groupedRows: UnsafeMutableRawPointer
  var expertOutput: UnsafeMutablePointer<Float>
  var returnRows: UnsafeMutableRawPointer
  var combinedRows: UnsafeMutableRawPointer

  init(_ buffers: LayerBuffers) {
    sendRows = buffers.sendRows
    receivedRows = buffers.receivedRows
    groupedRows = buffers.groupedRows
    expertOutput = buffers.expertOutput
    returnRows = buffers.returnRows
    combinedRows = buffers.combinedRows
  }
}

/// The blocks of some tokens of a rank: a row per assignment, or a copy per token and rank.
///
/// Everything but the way between the ranks. A rank's own block is left out of the partitions and
/// copied apart, so that the copy can be timed apart. Nothing here allocates after `init`.
final class RankBlocks {
  let arrived: ArrivedRows
  /// One unit to the experts, one result back.
  let unit: RowDatatype
  let result: RowDatatype
  /// Blocks to and from other ranks.
  private(set) var remoteSends: Partition
  private(set) var remoteReceives: Partition
  private(set) var remoteReturns: Partition
  private(set) var remoteResults: Partition
  /// Where the blocks lie.
  private(set) var place: BlockPlace

  private let setting: ExchangeSetting
  private let outgoing: OutgoingRows
  private var plan: DispatchPlan?
  private var arrivals: Partition
  private var returns: Partition

  init(_ setting: ExchangeSetting) throws(MPIError) {
    self.setting = setting
    outgoing = setting.outgoing()
    arrived = try setting.arrivals(outgoing)
    unit = try RowDatatype(byteCount: outgoing.unitBytes)
    result = try RowDatatype(byteCount: setting.resultBytes)
    place = BlockPlace(setting.buffers)
    let empty = Partition(peerCount: setting.rankCount)
    (arrivals, returns) = (empty, empty)
    (remoteSends, remoteReceives) = (empty, empty)
    (remoteReturns, remoteResults) = (empty, empty)
  }

  /// Decides which copies travel. Local.
  func prepare(_ plan: DispatchPlan, _ decision: borrowing RoutingDecision) throws(MPIError) {
    self.plan = plan
    try outgoing.prepare(plan, decision)
  }

  /// Lays what this rank sends, and the results that it gets, behind those of earlier tokens. Local,
  /// after ``prepare(_:_:)``.
  func placeSent(after earlier: RankBlocks) {
    place.sendRows = earlier.place.sendRows + earlier.outgoing.partition.total * unit.byteCount
    place.combinedRows =
      earlier.place.combinedRows + earlier.outgoing.returning.total * result.byteCount
  }

  func pack() {
    let units = outgoing.partition
    for peer in 0..<setting.rankCount {
      outgoing.encodeBlock(
        for: peer, into: place.sendRows + units[peer].lowerBound * unit.byteCount)
    }
  }

  /// Tells every rank what it will receive, and learns what will arrive. Collective.
  func announce(layer: Int, on comm: borrowing Communicator) throws {
    let (plan, units) = (plan!, outgoing.partition)
    // Counts per slot, not per rank: the receiver then knows the expert of every row.
    try arrived.counts.exchange(
      rowsPerSlot: UnsafeBufferPointer(plan.rowsPerSlot), layer: layer, on: comm
    ) { peer in
      Announcement(rows: plan.sendPartition.counts[peer], units: units.counts[peer])
    }
    try arrivals.setCounts(UnsafeBufferPointer(arrived.counts.unitsPerSource))
    try returns.setCounts(UnsafeBufferPointer(arrived.resultsPerSource))
    arrived.place()
    try setting.requireRoom(forRows: arrived.rowCount, layer: layer)
    for source in 0..<setting.rankCount {
      arrived.firstUnit[source] = arrivals[source].lowerBound
    }
    remoteSends.copyParts(of: units, leavingOut: setting.rank)
    remoteReceives.copyParts(of: arrivals, leavingOut: setting.rank)
    remoteReturns.copyParts(of: returns, leavingOut: setting.rank)
    remoteResults.copyParts(of: outgoing.returning, leavingOut: setting.rank)
  }

  /// Lays what arrives behind that of earlier tokens. Local, after ``announce(layer:on:)``.
  func placeArrivals(after earlier: RankBlocks) {
    let rows = earlier.arrived.rowCount * setting.hidden
    place.receivedRows =
      earlier.place.receivedRows + earlier.arrivals.total * unit.byteCount
    place.groupedRows = earlier.place.groupedRows + rows * setting.elementType.byteCount
    place.expertOutput = earlier.place.expertOutput + rows
    place.returnRows = earlier.place.returnRows + earlier.returns.total * result.byteCount
  }

  /// Counts what leaves this rank.
  func count(_ way: Phase.Exchange, in volume: inout ExchangeVolume) {
    switch way {
    case .dispatch:
      setting.count(remoteSends, rowBytes: unit.byteCount, in: &volume.dispatch)
    case .combine:
      setting.count(remoteReturns, rowBytes: result.byteCount, in: &volume.combine)
    }
  }

  func copyOwnRows() {
    setting.copyOwn(
      outgoing.partition, of: place.sendRows, to: arrivals, of: place.receivedRows,
      rowBytes: unit.byteCount)
  }

  func group() throws(ExchangeDisagreement) {
    try arrived.group(from: place.receivedRows, into: place.groupedRows)
  }

  func ungroup() {
    var row = 0
    for source in 0..<setting.rankCount {
      arrived.writeResults(
        of: source, from: place.expertOutput, into: place.returnRows + row * result.byteCount)
      row += Int(arrived.resultsPerSource[source])
    }
  }

  func copyOwnResults() {
    setting.copyOwn(
      returns, of: place.returnRows, to: outgoing.returning, of: place.combinedRows,
      rowBytes: result.byteCount)
  }

  func returned(weights: UnsafePointer<Float>, topK: Int) -> ReturnedRows {
    outgoing.returned(place.combinedRows, weights: weights, topK: topK)
  }
}
