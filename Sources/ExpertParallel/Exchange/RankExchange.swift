// SPDX-License-Identifier: Apache-2.0
// epsim: rows straight to the ranks of their experts, and results the same way back.

internal import CostModel
internal import MPI
internal import MoE
internal import Timing

/// One block to every rank, in one exchange each way.
final class RankExchange: LayerExchange {
  var volume = ExchangeVolume()
  var arrived: ArrivedRows { blocks.arrived }

  private let blocks: RankBlocks
  private let transport: any RowTransport
  private let rank: Int
  /// When every rank had told its counts.
  private var counted: Int64 = 0

  init(_ setting: ExchangeSetting, transport: any RowTransport) throws(MPIError) {
    self.transport = transport
    rank = setting.rank
    blocks = try RankBlocks(setting)
  }

  func prepare(_ plan: DispatchPlan, _ decision: borrowing RoutingDecision) throws(MPIError) {
    try blocks.prepare(plan, decision)
  }

  func pack() { blocks.pack() }

  func dispatch(layer: Int, on comm: borrowing Communicator) throws -> DispatchHandle {
    try blocks.announce(layer: layer, on: comm)
    counted = MonotonicClock.now()
    try transport.exchange(
      .dispatch, rows: blocks.place.sendRows, blocks.remoteSends,
      into: blocks.place.receivedRows, blocks.remoteReceives, row: blocks.unit, on: comm)
    blocks.count(.dispatch, in: &volume)
    return DispatchHandle(receivedRows: arrived.rowCount)
  }

  func copyOwnRows() { blocks.copyOwnRows() }

  func group() throws(ExchangeDisagreement) { try blocks.group() }

  func ungroup() { blocks.ungroup() }

  func combine(
    _ handle: consuming DispatchHandle, on comm: borrowing Communicator
  ) throws {
    handle.use(for: arrived)
    try transport.exchange(
      .combine, rows: blocks.place.returnRows, blocks.remoteReturns,
      into: blocks.place.combinedRows, blocks.remoteResults, row: blocks.result, on: comm)
    blocks.count(.combine, in: &volume)
  }

  func copyOwnResults() { blocks.copyOwnResults() }

  func recordCompletions(_ way: Phase.Exchange, into recorder: inout SpanRecorder) {
    guard let times = transport.partnerTimes else { return }
    for (peer, time) in times.completions.enumerated() where peer != rank {
      // Dispatch hears of every rank by its counts.
      let completed = way == .dispatch ? max(counted, time) : time
      if completed > 0 { recorder.record(partner: peer, of: way, completed: completed) }
    }
    recorder.record(pollGap: times.pollGap, of: way)
  }

  func returned(weights: UnsafePointer<Float>, topK: Int) -> ReturnedRows {
    blocks.returned(weights: weights, topK: topK)
  }
}
