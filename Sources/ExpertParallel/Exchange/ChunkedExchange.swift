// SPDX-License-Identifier: Apache-2.0
// epsim: the exchange of a layer in chunks of tokens, each under way while others compute.

internal import CostModel
internal import MPI
internal import MoE
internal import Timing

/// The blocks of every chunk of a rank's tokens, one behind the other in the buffers of the whole.
///
/// Slots are chosen for all tokens together, so counters do not depend on the number of chunks; each
/// chunk then has rows, counts and results of its own. Nothing here allocates after `init`.
final class ChunkedExchange {
  /// What left this rank since it was last cleared.
  var volume = ExchangeVolume()
  let transport: ChunkTransport
  /// Whether messages are under way that are moved on between blocks of work.
  var isToBePolled: Bool { polls && !transport.isIdle }
  /// Chunks, some of them without tokens where there are fewer tokens than chunks.
  var count: Int { blocks.count }
  /// Rows at this rank's experts, of all chunks.
  private(set) var receivedRows = 0

  private let blocks: [RankBlocks]
  private let plans: [DispatchPlan]
  private let setting: ExchangeSetting
  private let polls: Bool

  init(_ setting: ExchangeSetting) throws(MPIError) {
    self.setting = setting
    let scheme = setting.scheme
    polls = scheme.polls
    transport = ChunkTransport(
      rankCount: setting.rankCount, chunkCount: scheme.chunks,
      isCollective: scheme.transport != .pointToPoint)
    var part = setting
    part.bounds = setting.bounds.ofChunk(
      scheme.chunks, ranks: setting.rankCount, choiceWidth: setting.choiceWidth)
    var blocks: [RankBlocks] = []
    for chunk in 0..<scheme.chunks {
      part.channel = setting.channel + chunk
      blocks.append(try RankBlocks(part))
    }
    self.blocks = blocks
    plans = blocks.map { _ in
      DispatchPlan(
        assignmentCapacity: part.assignmentCapacity, slotOffsets: setting.slotOffsets)
    }
  }

  subscript(chunk: Int) -> RankBlocks { blocks[chunk] }

  /// The tokens of a chunk.
  func tokens(of chunk: Int) -> Range<Int> { plans[chunk].tokens }

  /// Decides which rows and copies travel in which chunk. Local.
  /// - Parameter plan: the slots of all tokens.
  func prepare(_ plan: DispatchPlan, _ decision: borrowing RoutingDecision) throws(MPIError) {
    transport.clear()
    let tokens = decision.tokenCount
    for chunk in 0..<count {
      try plans[chunk].build(
        chunk * tokens / count..<(chunk + 1) * tokens / count, of: plan, topK: decision.topK)
      try blocks[chunk].prepare(plans[chunk], decision)
      if chunk > 0 { blocks[chunk].placeSent(after: blocks[chunk - 1]) }
    }
  }

  func pack() {
    for chunk in blocks { chunk.pack() }
  }

  /// Counts of all chunks, then the rows of the first one set off. Collective.
  func startDispatch(layer: Int, on comm: borrowing Communicator) throws {
    receivedRows = 0
    for chunk in 0..<count {
      try blocks[chunk].announce(layer: layer, on: comm)
      receivedRows += blocks[chunk].arrived.rowCount
      try setting.requireRoom(forRows: receivedRows, layer: layer)
      if chunk > 0 { blocks[chunk].placeArrivals(after: blocks[chunk - 1]) }
    }
    try setOff(0, on: comm)
  }

  /// The rows of further chunks set off, once those of `chunk` are there. Collective.
  ///
  /// The first chunk travels alone, for all ranks wait for it; then two at a time, for while a chunk
  /// is computed nobody could start the one after the next.
  func moveOn(after chunk: Int, on comm: borrowing Communicator) throws(MPIError) {
    for next in (chunk == 0 ? 1 : chunk + 2)..<chunk + 3 where next < count {
      try setOff(next, on: comm)
    }
  }

  private func setOff(_ chunk: Int, on comm: borrowing Communicator) throws(MPIError) {
    let blocks = blocks[chunk]
    try transport.start(
      .dispatch, chunk, rows: blocks.place.sendRows, blocks.remoteSends,
      into: blocks.place.receivedRows, blocks.remoteReceives, row: blocks.unit, on: comm)
    blocks.count(.dispatch, in: &volume)
  }

  /// The results of a chunk set off. Collective.
  func startCombine(_ chunk: Int, on comm: borrowing Communicator) throws(MPIError) {
    let blocks = blocks[chunk]
    try transport.start(
      .combine, chunk, rows: blocks.place.returnRows, blocks.remoteReturns,
      into: blocks.place.combinedRows, blocks.remoteResults, row: blocks.result, on: comm)
    blocks.count(.combine, in: &volume)
  }
}

extension RowBounds {
  /// What one of so many chunks can have at most.
  fileprivate func ofChunk(_ chunks: Int, ranks: Int, choiceWidth: Int) -> RowBounds {
    var bounds = self
    bounds.tokens = (tokens + chunks - 1) / chunks
    // Every rank may have a token more than its share.
    bounds.allTokens = min(allTokens, allTokens / chunks + ranks)
    bounds.sentRows = min(sentRows, bounds.tokens * choiceWidth)
    bounds.receivedRows = min(receivedRows, bounds.allTokens * choiceWidth)
    return bounds
  }
}
