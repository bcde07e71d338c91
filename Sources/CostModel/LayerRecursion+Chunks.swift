// SPDX-License-Identifier: Apache-2.0
// epsim: a layer whose tokens travel in chunks, each under the compute of others.

extension LayerRecursion {
  /// Every rank has a processor and a network, each of which does one thing after the other:
  ///
  ///     network     d0 d1 d2 ...           c0 c1 c2 ...   all dispatches first, then combines
  ///     processor   shared, then of each chunk that has arrived: group, expert, ungroup
  ///
  /// An exchange with compute beside it has ``LayerWork/overlapFactor`` of its bandwidth: all but
  /// the first dispatch and the last combine. A chunk travels 1/d of the bytes and pays start-up
  /// times in full. Waits and transfers are booked as far as the processor stood still.
  mutating func advanceChunks(_ work: LayerWork) {
    let chunks = work.chunks
    precondition(
      chunks >= 1 && arrival.count >= chunks * rankCount,
      "\(chunks) chunks, room for \(arrival.count / rankCount)")
    for rank in 0..<rankCount {
      entry[rank] = ready[rank] + spent(.route, .pack, rank)
      compute[rank] = entry[rank] + spent(.shared, .shared, rank)
      book(.dispatchWait, 0, rank)
      book(.dispatchTransfer, 0, rank)
      book(.combineWait, 0, rank)
      book(.combineTransfer, 0, rank)
    }
    for chunk in 0..<chunks { dispatch(chunk, work) }
    for rank in 0..<rankCount { network[rank] = entry[rank] }
    for chunk in 0..<chunks {
      computeChunk(chunk, work)
      combine(chunk, work)
    }
    for rank in 0..<rankCount {
      // What was left of the last combine when the processor was done.
      let left = max(0, network[rank] - compute[rank])
      let waited = min(left, max(0, start[rank] - compute[rank]))
      add(.combineWait, waited, rank)
      add(.combineTransfer, left - waited, rank)
      ready[rank] = compute[rank] + left + spent(.reduce, .reduce, rank)
    }
  }

  /// A dispatch sets off when the one before it has arrived.
  private mutating func dispatch(_ chunk: Int, _ work: LayerWork) {
    meet(work.dispatchSenders)
    let slowing = chunk == 0 ? 1 : work.overlapFactor
    for rank in 0..<rankCount {
      arrivalWait[chunk * rankCount + rank] = start[rank] - entry[rank]
      entry[rank] = start[rank] + chunkTime(work.dispatch, rank, work.chunks, slowing)
      arrival[chunk * rankCount + rank] = entry[rank]
    }
  }

  /// A chunk is computed when it has arrived and the one before it is done.
  private mutating func computeChunk(_ chunk: Int, _ work: LayerWork) {
    for rank in 0..<rankCount {
      let index = chunk * rankCount + rank
      let idle = max(0, arrival[index] - compute[rank])
      let waited = min(idle, arrivalWait[index])
      add(.dispatchWait, waited, rank)
      add(.dispatchTransfer, idle - waited, rank)
      let own =
        spent(.group, .expert, rank) + spent(.ungroup, .ungroup, rank)
      compute[rank] += idle + own / Double(work.chunks)
    }
  }

  /// Results set off when they are computed and the network is free.
  private mutating func combine(_ chunk: Int, _ work: LayerWork) {
    for rank in 0..<rankCount { entry[rank] = max(compute[rank], network[rank]) }
    meet(work.combineSenders)
    let slowing = chunk == work.chunks - 1 ? 1 : work.overlapFactor
    for rank in 0..<rankCount {
      network[rank] = start[rank] + chunkTime(work.combine, rank, work.chunks, slowing)
    }
  }

  private func chunkTime(
    _ time: ExchangeTime, _ rank: Int, _ chunks: Int, _ factor: Double
  ) -> Double {
    let travel = time.travel[rank] / Double(chunks)
    return time.startUp[rank] + (travel == 0 ? 0 : travel / factor)
  }

  private mutating func add(_ phase: RankPhase, _ time: Double, _ rank: Int) {
    layer.values[phase.rawValue * rankCount + rank] += time
  }
}
