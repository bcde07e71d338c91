// SPDX-License-Identifier: Apache-2.0
// epsim: which row goes where, and the way back.

internal import MPI
internal import MoE
internal import Placement

/// Which row of which token goes to which expert slot, for one layer on one rank: all of its tokens,
/// or a range of them.
///
/// Rows are ordered by destination slot (and so by rank, for a rank's slots are consecutive), and
/// within a slot by assignment: a counting sort. The storage is allocated once and reused; building
/// a plan does not allocate, and communicates only where the replica choice needs counts.
final class DispatchPlan {
  /// [T, K] slot that serves each assignment; -1 where it was dropped.
  let slots: UnsafeMutableBufferPointer<Int32>
  /// [T, K] row that carries each assignment; -1 where it was dropped.
  let rowOfAssignment: UnsafeMutableBufferPointer<Int32>
  /// [rows] token whose activation each row carries.
  let tokenOfRow: UnsafeMutableBufferPointer<Int32>
  /// [P] rows for each slot.
  let rowsPerSlot: UnsafeMutableBufferPointer<Int32>
  /// Rows for each rank.
  private(set) var sendPartition: Partition
  /// Assignments planned, dropped ones included.
  private(set) var assignmentCount = 0
  /// The tokens that are planned; [T, K] counts from the first of them.
  private(set) var tokens = 0..<0

  /// Rows to send.
  var rowCount: Int { sendPartition.total }

  private let slotOffsets: [Int]
  private let nextRow: UnsafeMutableBufferPointer<Int32>
  private let rowsPerRank: UnsafeMutableBufferPointer<Int32>

  /// - Parameters:
  ///   - assignmentCapacity: the most assignments (tokens times K) of a step.
  ///   - slotOffsets: [R + 1] slots of rank r are `slotOffsets[r] ..< slotOffsets[r + 1]`.
  init(assignmentCapacity: Int, slotOffsets: [Int]) {
    self.slotOffsets = slotOffsets
    let rankCount = slotOffsets.count - 1
    slots = .zeroed(assignmentCapacity)
    rowOfAssignment = .zeroed(assignmentCapacity)
    tokenOfRow = .zeroed(assignmentCapacity)
    rowsPerSlot = .zeroed(slotOffsets[rankCount])
    nextRow = .zeroed(slotOffsets[rankCount])
    rowsPerRank = .zeroed(rankCount)
    sendPartition = Partition(peerCount: rankCount)
  }

  deinit {
    for buffer in [
      slots, rowOfAssignment, tokenOfRow, rowsPerSlot, nextRow, rowsPerRank,
    ] {
      buffer.deallocate()
    }
  }

  /// Plans a batch. Collective where the replica choice is.
  /// - Throws: an overflow of 2^31 rows.
  func build(
    _ decision: borrowing RoutingDecision, replicas: LayerReplicas,
    on comm: borrowing Communicator
  ) throws(MPIError) {
    try choose(decision, replicas: replicas, on: comm)
    try orderRows(topK: decision.topK)
  }

  /// Chooses the slots of a batch and nothing more: its rows are planned in parts. Collective where
  /// the replica choice is.
  func choose(
    _ decision: borrowing RoutingDecision, replicas: LayerReplicas,
    on comm: borrowing Communicator
  ) throws(MPIError) {
    take(0..<decision.tokenCount, topK: decision.topK)
    try replicas.choose(
      decision, into: UnsafeMutableBufferPointer(rebasing: slots[..<assignmentCount]), on: comm)
  }

  /// Plans some tokens of a batch, whose slots were chosen for all of them together. Local.
  /// - Throws: an overflow of 2^31 rows.
  func build(
    _ tokens: Range<Int>, of batch: DispatchPlan, topK: Int
  ) throws(MPIError) {
    take(tokens, topK: topK)
    for assignment in 0..<assignmentCount {
      slots[assignment] = batch.slots[tokens.lowerBound * topK + assignment]
    }
    try orderRows(topK: topK)
  }

  private func take(_ tokens: Range<Int>, topK: Int) {
    self.tokens = tokens
    assignmentCount = tokens.count * topK
    precondition(
      assignmentCount <= slots.count, "\(assignmentCount) assignments, room for \(slots.count)")
  }

  private func orderRows(topK: Int) throws(MPIError) {
    rowsPerSlot.update(repeating: 0)
    for slot in slots[..<assignmentCount] where slot >= 0 { rowsPerSlot[Int(slot)] += 1 }
    var row: Int32 = 0
    for rank in rowsPerRank.indices {
      let first = row
      for slot in slotOffsets[rank]..<slotOffsets[rank + 1] {
        nextRow[slot] = row
        row += rowsPerSlot[slot]
      }
      rowsPerRank[rank] = row - first
    }
    var assignment = 0
    for token in tokens {
      for _ in 0..<topK {
        let slot = Int(slots[assignment])
        if slot >= 0 {
          let row = nextRow[slot]
          nextRow[slot] = row + 1
          rowOfAssignment[assignment] = row
          tokenOfRow[Int(row)] = Int32(truncatingIfNeeded: token)
        } else {
          rowOfAssignment[assignment] = -1
        }
        assignment += 1
      }
    }
    try sendPartition.setCounts(UnsafeBufferPointer(rowsPerRank))
  }
}

extension UnsafeMutableBufferPointer where Element: BitwiseCopyable & ExpressibleByIntegerLiteral {
  /// New memory of zeros, every page touched: a page fault must not fall into a span.
  static func zeroed(_ count: Int) -> UnsafeMutableBufferPointer {
    let buffer = UnsafeMutableBufferPointer.allocate(capacity: count)
    buffer.initialize(repeating: 0)
    return buffer
  }
}
