// SPDX-License-Identifier: Apache-2.0
// epsim: rows written straight into the memory of ranks of the same node.

internal import CostModel
internal import Kernels
internal import MPI
internal import MoE
internal import Timing

/// Inside a node the sender gathers its rows into the receiver's memory, where the experts read
/// them; results are written into the memory of their token's rank. Between nodes blocks travel
/// through MPI.
///
/// One copy each way: with a row per assignment the receiver says where each expert's rows belong,
/// and the sender puts them there, in compute format and as the wire would deliver them. With a
/// copy per rank it puts blocks where they would arrive, and the receiver expands them. A rank's
/// own rows take the same path.
final class SharedExchange: LayerExchange {
  var volume = ExchangeVolume()
  let arrived: ArrivedRows

  private let setting: ExchangeSetting
  private let space: NodeSpace
  private let outgoing: OutgoingRows
  private let transport: any RowTransport
  private let unit: RowDatatype
  private let result: RowDatatype
  private let placesRows: Bool
  private let isSpread: Bool
  /// [R] place in the node; -1 on other nodes.
  private let placeOfRank: [Int]
  private var plan: DispatchPlan?
  private let blockCounts: UnsafeMutableBufferPointer<Int32>
  private var arrivals: Partition
  private var returns: Partition
  private var remoteCounts: Partition
  private var remoteCountsReceived: Partition
  private var remoteSends: Partition
  private var remoteReceives: Partition
  private var remoteReturns: Partition
  private var remoteResults: Partition

  init(
    _ setting: ExchangeSetting, space: NodeSpace, transport: any RowTransport
  ) throws(MPIError) {
    self.setting = setting
    self.space = space
    self.transport = transport
    outgoing = setting.outgoing()
    arrived = try setting.arrivals(outgoing)
    unit = try RowDatatype(byteCount: outgoing.unitBytes)
    result = try RowDatatype(byteCount: setting.resultBytes)
    placesRows = outgoing.copies == nil
    isSpread = setting.topology.nodeCount > 1
    let ranks = space.ranks
    placeOfRank = (0..<setting.rankCount).map { ranks.firstIndex(of: $0) ?? -1 }
    blockCounts = .zeroed(setting.rankCount)
    let empty = Partition(peerCount: setting.rankCount)
    (arrivals, returns, remoteCounts, remoteCountsReceived) = (empty, empty, empty, empty)
    (remoteSends, remoteReceives, remoteReturns, remoteResults) = (empty, empty, empty, empty)
    let places = placeOfRank
    remoteCounts.copyParts(of: arrived.counts.sendPartition) { places[$0] < 0 }
    remoteCountsReceived.copyParts(of: arrived.counts.receivePartition) { places[$0] < 0 }
  }

  deinit { blockCounts.deallocate() }

  func prepare(_ plan: DispatchPlan, _ decision: borrowing RoutingDecision) throws(MPIError) {
    self.plan = plan
    try outgoing.prepare(plan, decision)
  }

  func pack() {
    let units = outgoing.partition
    for peer in 0..<setting.rankCount where placeOfRank[peer] < 0 {
      outgoing.encodeBlock(
        for: peer,
        into: setting.buffers.sendRows + units[peer].lowerBound * outgoing.unitBytes)
    }
  }

  func dispatch(layer: Int, on comm: borrowing Communicator) throws -> DispatchHandle {
    try exchangeCounts(layer: layer, on: comm)
    arrived.place()
    try setting.requireRoom(forRows: arrived.rowCount, layer: layer)
    try placeBlocks()
    for distance in 0..<space.ranks.count {
      try put(atPlace: (space.place + distance) % space.ranks.count, on: comm)
    }
    if isSpread { try exchangeBetweenNodes(on: comm) }
    for distance in 0..<space.ranks.count {
      let place = (space.place + space.ranks.count - distance) % space.ranks.count
      try space.board.awaitDelivery(fromPlace: place) { () throws(MPIError) in
        try progress(on: comm)
      }
    }
    return DispatchHandle(receivedRows: arrived.rowCount)
  }

  /// Counts of this node through its board, those of others through MPI.
  private func exchangeCounts(layer: Int, on comm: borrowing Communicator) throws {
    let (plan, board, counts) = (plan!, space.board, arrived.counts)
    let (units, returning) = (outgoing.partition, outgoing.returning)
    board.begin()
    counts.write(rowsPerSlot: UnsafeBufferPointer(plan.rowsPerSlot), layer: layer) { peer in
      Announcement(
        rows: plan.sendPartition.counts[peer], units: units.counts[peer],
        firstResult: returning.displacements[peer])
    }
    board.counts.update(from: counts.sent.baseAddress!, count: counts.sent.count)
    board.announce()
    if isSpread {
      try comm.allToAllV(
        UnsafeBufferPointer(counts.sent), remoteCounts, into: counts.received,
        remoteCountsReceived)
    }
    let part = counts.sendPartition[setting.rank]
    for (place, rank) in space.ranks.enumerated() {
      try board.awaitAnnouncement(ofPlace: place) { () throws(MPIError) in
        try progress(on: comm)
      }
      counts.received.baseAddress!.advanced(by: counts.receivePartition[rank].lowerBound)
        .update(from: board.counts(ofPlace: place) + part.lowerBound, count: part.count)
    }
    for source in 0..<setting.rankCount { try counts.read(source, layer: layer) }
  }

  /// Gives every block its place, and tells the senders of this node.
  private func placeBlocks() throws(MPIError) {
    for source in 0..<setting.rankCount {
      // Rows that are put in place by their sender arrive in no block.
      let isPlaced = placesRows && placeOfRank[source] >= 0
      blockCounts[source] = isPlaced ? 0 : arrived.counts.unitsPerSource[source]
    }
    try arrivals.setCounts(UnsafeBufferPointer(blockCounts))
    let (board, slots) = (space.board, arrived.counts.localSlotCount)
    for source in 0..<setting.rankCount {
      arrived.firstUnit[source] = arrivals[source].lowerBound
      guard placesRows else {
        board.positions[source] = arrivals[source].lowerBound
        continue
      }
      for slot in 0..<slots {
        board.positions[source * slots + slot] = arrived.firstRowOfBlock[source * slots + slot]
      }
    }
    board.publishPlaces()
  }

  /// Writes this rank's rows into the memory of a rank of its node.
  private func put(atPlace place: Int, on comm: borrowing Communicator) throws(MPIError) {
    let (board, peer) = (space.board, space.ranks[place])
    try board.awaitPlaces(ofPlace: place) { () throws(MPIError) in try progress(on: comm) }
    let positions = board.positions(ofPlace: place)
    let (units, writer) = (outgoing.partition[peer], space.writer(toPlace: place))
    if placesRows {
      let slots = setting.slotOffsets[peer]..<setting.slotOffsets[peer + 1]
      let grouped = space.buffer(.grouped, ofPlace: place)
      let rowBytes = setting.hidden * setting.elementType.byteCount
      var row = units.lowerBound
      for slot in slots {
        let count = Int(plan!.rowsPerSlot[slot])
        let position = positions[setting.rank * slots.count + slot - slots.lowerBound]
        outgoing.placeRows(
          row..<row + count, into: grouped + position * rowBytes, type: setting.elementType,
          by: writer)
        row += count
      }
    } else {
      outgoing.encodeBlock(
        for: peer,
        into: space.buffer(.received, ofPlace: place)
          + positions[setting.rank] * outgoing.unitBytes, by: writer)
    }
    writer.finish()
    board.deliver(toPlace: place)
    guard peer != setting.rank else { return }
    // Rows that are put in place have the format of the experts.
    let bytes =
      placesRows ? setting.hidden * setting.elementType.byteCount : outgoing.unitBytes
    volume.dispatch.add(rows: units.count, bytes: units.count * bytes, leavesNode: false)
  }

  /// Lets MPI work where there are messages that it could work on.
  private func progress(on comm: borrowing Communicator) throws(MPIError) {
    if isSpread { try comm.progress() }
  }

  private func exchangeBetweenNodes(on comm: borrowing Communicator) throws(MPIError) {
    let places = placeOfRank
    remoteSends.copyParts(of: outgoing.partition) { places[$0] < 0 }
    remoteReceives.copyParts(of: arrivals) { places[$0] < 0 }
    try transport.exchange(
      .dispatch, rows: setting.buffers.sendRows, remoteSends, into: setting.buffers.receivedRows,
      remoteReceives, row: unit, on: comm)
    setting.count(remoteSends, rowBytes: outgoing.unitBytes, in: &volume.dispatch)
  }

  /// Their sender has put them in place.
  func copyOwnRows() {}

  func group() throws(ExchangeDisagreement) {
    let places = placeOfRank
    try arrived.group(
      from: setting.buffers.receivedRows, into: setting.buffers.groupedRows
    ) { !placesRows || places[$0] < 0 }
  }

  func ungroup() {
    var row = 0
    for source in 0..<setting.rankCount where placeOfRank[source] < 0 {
      arrived.writeResults(
        of: source, from: setting.buffers.expertOutput,
        into: setting.buffers.returnRows + row * setting.resultBytes)
      row += Int(arrived.resultsPerSource[source])
    }
  }

  func combine(
    _ handle: consuming DispatchHandle, on comm: borrowing Communicator
  ) throws {
    handle.use(for: arrived)
    let (board, places) = (space.board, space.ranks.count)
    for distance in 0..<places { putResults(atPlace: (space.place + distance) % places) }
    if isSpread { try returnBetweenNodes(on: comm) }
    for distance in 0..<places {
      let place = (space.place + places - distance) % places
      try board.awaitResults(fromPlace: place) { () throws(MPIError) in try progress(on: comm) }
    }
  }

  /// Writes the results of a rank of this node into its memory.
  private func putResults(atPlace place: Int) {
    let (source, writer) = (space.ranks[place], space.writer(toPlace: place))
    arrived.writeResults(
      of: source, from: setting.buffers.expertOutput,
      into: space.buffer(.combined, ofPlace: place)
        + Int(arrived.counts.firstResultOfSource[source]) * setting.resultBytes,
      by: writer)
    writer.finish()
    space.board.returnResults(toPlace: place)
    guard source != setting.rank else { return }
    let rows = Int(arrived.resultsPerSource[source])
    volume.combine.add(rows: rows, bytes: rows * setting.resultBytes, leavesNode: false)
  }

  private func returnBetweenNodes(on comm: borrowing Communicator) throws(MPIError) {
    for source in 0..<setting.rankCount {
      blockCounts[source] = placeOfRank[source] < 0 ? arrived.resultsPerSource[source] : 0
    }
    try returns.setCounts(UnsafeBufferPointer(blockCounts))
    let places = placeOfRank
    remoteReturns.copyParts(of: returns) { places[$0] < 0 }
    remoteResults.copyParts(of: outgoing.returning) { places[$0] < 0 }
    try transport.exchange(
      .combine, rows: setting.buffers.returnRows, remoteReturns,
      into: setting.buffers.combinedRows, remoteResults, row: result, on: comm)
    setting.count(remoteReturns, rowBytes: setting.resultBytes, in: &volume.combine)
  }

  /// Their ranks have written them.
  func copyOwnResults() {}

  func returned(weights: UnsafePointer<Float>, topK: Int) -> ReturnedRows {
    outgoing.returned(setting.buffers.combinedRows, weights: weights, topK: topK)
  }
}
