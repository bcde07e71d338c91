// SPDX-License-Identifier: Apache-2.0
// epsim: the rows that a rank sends, as blocks for their destinations, and their results.

internal import CostModel
internal import Kernels
internal import MPI
internal import MoE

/// What combine brought back to a rank: rows of results, and which of them each token adds up.
struct ReturnedRows {
  /// [T, perToken] weight of each row.
  let weights: UnsafePointer<Float>
  /// [T, perToken] row of `results`; -1 for none.
  let rows: UnsafePointer<Int32>
  let perToken: Int
  /// [*, H] in the format of the combine wire.
  let results: UnsafeRawPointer
}

/// The source side of an exchange: a rank's tokens as blocks of rows, one block per destination.
///
/// A block holds the encoded rows, ordered by slot (one per assignment) or by token (one per copy),
/// and behind them, for copies, the experts that each is for. A row with its entries is a unit:
/// units are what an exchange counts. Nothing here allocates after `init`.
final class OutgoingRows {
  /// Nil where every assignment has a row of its own.
  let copies: CopyPlan?
  /// Bytes of a row with what travels with it.
  let unitBytes: Int

  private let hidden: Int
  private let scheme: ExchangeScheme
  private let rowBytes: Int
  /// Weights of results that are summed already.
  private let ones: UnsafeMutableBufferPointer<Float>
  private var plan: DispatchPlan?
  /// [T, H] the rank's rows.
  private let rows: UnsafePointer<Float>

  /// - Parameters:
  ///   - copies: nil where every assignment has a row of its own.
  ///   - rows: [T, H] where the rows of a step stand.
  ///   - assignmentCapacity: the most assignments (tokens times choices) of a step.
  init(
    scheme: ExchangeScheme, hidden: Int, copies: CopyPlan?, rows: UnsafePointer<Float>,
    assignmentCapacity: Int
  ) {
    self.scheme = scheme
    self.hidden = hidden
    self.copies = copies
    self.rows = rows
    rowBytes = scheme.wire.rowBytes(length: hidden)
    unitBytes = rowBytes + (copies?.entriesPerCopy ?? 0) * MemoryLayout<CopyEntry>.stride
    ones = .allocate(capacity: scheme.returnsSums ? assignmentCapacity : 0)
    ones.initialize(repeating: 1)
  }

  deinit { ones.deallocate() }

  /// Takes over a plan, and plans its copies. Local.
  func prepare(_ plan: DispatchPlan, _ decision: borrowing RoutingDecision) throws(MPIError) {
    self.plan = plan
    try copies?.build(plan, decision: decision)
  }

  /// Units for each destination.
  var partition: Partition { copies?.partition ?? plan!.sendPartition }

  /// Rows that return from each destination.
  var returning: Partition {
    scheme.returnsSums ? partition : plan!.sendPartition
  }

  /// Writes the block for a destination. Local.
  func encodeBlock(
    for destination: Int, into block: UnsafeMutableRawPointer, by writer: RowWriter = .direct
  ) {
    let units = partition[destination]
    guard !units.isEmpty else { return }
    let tokens = UnsafePointer((copies?.tokenOfCopy ?? plan!.tokenOfRow).baseAddress!)
    if scheme.wire == .f32 {
      writer.write(
        rows: units.count, rowBytes: rowBytes, indices: tokens + units.lowerBound, from: rows,
        into: block)
    } else {
      writer.write(rows: units.count, rowBytes: rowBytes, into: block) { range, place in
        RowKernels.encode(
          rows: range.count, length: hidden,
          indices: tokens + units.lowerBound + range.lowerBound, from: rows,
          wire: scheme.wire, into: place)
      }
    }
    guard let copies else { return }
    let stride = copies.entriesPerCopy * MemoryLayout<CopyEntry>.stride
    writer.write(
      byteCount: units.count * stride,
      from: UnsafeRawPointer(copies.entries.baseAddress!) + units.lowerBound * stride,
      into: block + units.count * rowBytes)
  }

  /// Writes the rows for one slot as they will be after the wire, in compute format. Local.
  ///
  /// - Precondition: every assignment has a row of its own.
  func placeRows(
    _ range: Range<Int>, into target: UnsafeMutableRawPointer, type: ElementType,
    by writer: RowWriter
  ) {
    guard !range.isEmpty else { return }
    let tokens = UnsafePointer(plan!.tokenOfRow.baseAddress! + range.lowerBound)
    if scheme.wire == .f32, type == .f32 {
      writer.write(
        rows: range.count, rowBytes: hidden * type.byteCount, indices: tokens, from: rows,
        into: target)
      return
    }
    writer.write(rows: range.count, rowBytes: hidden * type.byteCount, into: target) {
      piece, place in
      RowKernels.gather(
        rows: piece.count, length: hidden, indices: tokens + piece.lowerBound, from: rows,
        through: scheme.wire, into: place, type: type)
    }
  }

  /// What the tokens add up, once results are back. Local.
  ///
  /// Shapes: `results` [returning.total, H] in the order of the units, `weights` [T, K] those of
  /// the decision.
  func returned(
    _ results: UnsafeRawPointer, weights: UnsafePointer<Float>, topK: Int
  ) -> ReturnedRows {
    guard scheme.returnsSums, let copies else {
      return ReturnedRows(
        weights: weights, rows: UnsafePointer(plan!.rowOfAssignment.baseAddress!), perToken: topK,
        results: results)
    }
    return ReturnedRows(
      weights: UnsafePointer(ones.baseAddress!),
      rows: UnsafePointer(copies.copyOfChoice.baseAddress!), perToken: topK, results: results)
  }
}
