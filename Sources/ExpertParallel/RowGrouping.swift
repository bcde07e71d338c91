// SPDX-License-Identifier: Apache-2.0
// epsim: received rows brought together by expert, and their results back in order of arrival.

internal import Kernels

/// Moves rows between the order of arrival, (source, slot), and that of the experts, (slot, source).
///
/// The rows of one source for one slot stay together: they are moved as a block.
final class RowGrouping {
  /// [S + 1] first grouped row of each local slot.
  let firstRowOfSlot: UnsafeMutableBufferPointer<Int>

  private let counts: CountExchange
  private let hidden: Int
  private let wire: ElementType
  private let elementType: ElementType

  init(_ counts: CountExchange, hidden: Int, wire: ElementType, elementType: ElementType) {
    self.counts = counts
    self.hidden = hidden
    self.wire = wire
    self.elementType = elementType
    firstRowOfSlot = .zeroed(counts.localSlotCount + 1)
  }

  deinit { firstRowOfSlot.deallocate() }

  /// Received rows in wire format to grouped rows in compute format.
  func group(_ buffers: LayerBuffers) {
    let localSlots = counts.localSlotCount
    let received = counts.receivedPerSlot
    let sources = localSlots == 0 ? 0 : received.count / localSlots
    var row = 0
    for slot in 0..<localSlots {
      firstRowOfSlot[slot] = row
      for source in 0..<sources { row += Int(received[source * localSlots + slot]) }
    }
    firstRowOfSlot[localSlots] = row
    forEachBlock { arrived, grouped, count in
      RowKernels.convert(
        count: count * hidden, from: buffers.receivedRows + arrived * hidden * wire.byteCount,
        type: wire, into: buffers.groupedRows + grouped * hidden * elementType.byteCount,
        type: elementType)
    }
  }

  /// The experts' output to the rows that return.
  func ungroup(_ buffers: LayerBuffers) {
    forEachBlock { arrived, grouped, count in
      RowKernels.convert(
        count: count * hidden, from: buffers.expertOutput + grouped * hidden, type: .f32,
        into: buffers.returnRows + arrived * hidden, type: .f32)
    }
  }

  /// Calls `body` with the first arrived row, the first grouped row and the row count of every
  /// block of rows that one source sent for one slot.
  @inline(__always)
  private func forEachBlock(_ body: (_ arrived: Int, _ grouped: Int, _ count: Int) -> Void) {
    let localSlots = counts.localSlotCount
    guard localSlots > 0 else { return }
    let received = counts.receivedPerSlot
    var arrived = 0
    for source in 0..<received.count / localSlots {
      for slot in 0..<localSlots {
        let count = Int(received[source * localSlots + slot])
        guard count > 0 else { continue }
        // Rows of earlier sources for the same slot come first.
        var grouped = firstRowOfSlot[slot]
        for earlier in 0..<source { grouped += Int(received[earlier * localSlots + slot]) }
        body(arrived, grouped, count)
        arrived += count
      }
    }
  }
}
