// SPDX-License-Identifier: Apache-2.0
// epsim: how blocks of rows move between ranks through MPI.

internal import MPI
internal import Timing

/// One way to move blocks of rows between the ranks of a communicator.
///
/// What a rank keeps is left out of the partitions. Nothing allocates in a step.
protocol RowTransport: AnyObject {
  /// Moves part r of `rows` to rank r; part r of `result` comes from rank r. Collective.
  ///
  /// Counts are in rows of `row`; both sides know them.
  func exchange(
    _ way: Phase.Exchange, rows: UnsafeRawPointer, _ sends: Partition,
    into result: UnsafeMutableRawPointer, _ receives: Partition, row: borrowing RowDatatype,
    on comm: borrowing Communicator
  ) throws(MPIError)

  /// When the rows of each rank were complete; nil for collectives, which do not tell.
  var partnerTimes: PartnerTimes? { get }
}

/// When the rows of each partner were complete in one exchange.
final class PartnerTimes {
  /// [R] nanoseconds; 0 for ranks from which no rows came.
  let completions: UnsafeMutableBufferPointer<Int64>
  /// The longest that a complete message can have gone unnoticed, nanoseconds.
  var pollGap: Int64 = 0

  init(rankCount: Int) { completions = .zeroed(rankCount) }

  deinit { completions.deallocate() }

  func clear() {
    completions.update(repeating: 0)
    pollGap = 0
  }
}

/// `MPI_Alltoallv`: the baseline.
final class AllToAllVTransport: RowTransport {
  var partnerTimes: PartnerTimes? { nil }

  func exchange(
    _ way: Phase.Exchange, rows: UnsafeRawPointer, _ sends: Partition,
    into result: UnsafeMutableRawPointer, _ receives: Partition, row: borrowing RowDatatype,
    on comm: borrowing Communicator
  ) throws(MPIError) {
    try comm.allToAllV(rows: rows, sends, into: result, receives, row: row)
  }
}
