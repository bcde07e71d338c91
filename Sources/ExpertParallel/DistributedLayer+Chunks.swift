// SPDX-License-Identifier: Apache-2.0
// epsim: one MoE layer whose tokens travel in chunks, each under the compute of others.

internal import Kernels
internal import MPI
internal import MoE
internal import Timing

extension DistributedLayer {
  /// Each chunk is computed while rows of others are under way, and its results set off as soon as
  /// they are there.
  func run(
    _ exchange: ChunkedExchange, recorder: inout SpanRecorder,
    output: UnsafeMutablePointer<Float>, on comm: borrowing Communicator
  ) throws {
    ledger.begin(at: MonotonicClock.now())
    try route(on: comm)
    ledger.book(.route)
    try plan.choose(decision, replicas: replicas, on: comm)
    try exchange.prepare(plan, decision)
    ledger.book(.plan)
    disturb()
    exchange.pack()
    ledger.book(.pack)
    recorder.reached(.pack)
    try exchange.startDispatch(layer: number, on: comm)
    ledger.book(.dispatch)
    receivedRowCount = exchange.receivedRows
    for chunk in 0..<exchange.count { exchange[chunk].copyOwnRows() }
    ledger.bookSelfCopy(.dispatch)
    // They need no rows of others: time for the first to arrive.
    try computeShared(
      polls: { exchange.isToBePolled },
      poll: { () throws(MPIError) in try poll(exchange, during: .shared) })
    ledger.book(.shared)
    for chunk in 0..<exchange.count { try compute(chunk, exchange, on: comm) }
    recorder.reached(.ungroup)
    for chunk in 0..<exchange.count { try exchange.transport.wait(for: .combine, chunk) }
    ledger.book(.combine)
    for chunk in 0..<exchange.count {
      reduce(exchange.tokens(of: chunk), into: output) {
        exchange[chunk].returned(weights: $0, topK: decision.topK)
      }
    }
    ledger.book(.reduce)
    ledger.writeStamps(into: &recorder)
    let (dispatch, combine) = (exchange.transport.dispatchFlight, exchange.transport.combineFlight)
    recorder.record(flightOf: .dispatch, from: dispatch.start, to: dispatch.end)
    recorder.record(flightOf: .combine, from: combine.start, to: combine.end)
  }

  /// From the rows of a chunk to its results on their way back.
  private func compute(
    _ chunk: Int, _ exchange: ChunkedExchange, on comm: borrowing Communicator
  ) throws {
    let blocks = exchange[chunk]
    try exchange.transport.wait(for: .dispatch, chunk)
    try exchange.moveOn(after: chunk, on: comm)
    ledger.book(.dispatch)
    try blocks.group()
    ledger.book(.group)
    try experts.run(
      firstRows: blocks.arrived.firstRowOfSlot, x: blocks.place.groupedRows,
      y: blocks.place.expertOutput, polls: { exchange.isToBePolled },
      poll: { () throws(MPIError) in try poll(exchange, during: .expert) })
    ledger.book(.expert)
    blocks.ungroup()
    ledger.book(.ungroup)
    try exchange.startCombine(chunk, on: comm)
    ledger.book(.combine)
    blocks.copyOwnResults()
    ledger.bookSelfCopy(.combine)
  }

  /// Lets MPI move what is under way; the time that it takes is communication.
  private func poll(_ exchange: ChunkedExchange, during phase: Phase) throws(MPIError) {
    let transport = exchange.transport
    ledger.book(phase)
    let way: Phase = transport.isUnderWay(.dispatch) ? .dispatch : .combine
    try transport.poll()
    ledger.book(way)
  }
}
