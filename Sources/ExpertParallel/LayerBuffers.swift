// SPDX-License-Identifier: Apache-2.0
// epsim: the activations of one rank, allocated once before the first step.

internal import Kernels

/// Every activation buffer of a rank, large enough for every step of every case.
///
/// Shapes: T tokens, A = T K assignments, M received rows, H hidden size; all row-major.
final class LayerBuffers {
  /// [T, H] what enters and leaves each layer.
  let activations: UnsafeMutablePointer<Float>
  /// [T, H] activations after the norm.
  let normalised: UnsafeMutablePointer<Float>
  /// [T, H] the same in compute format, for the shared experts.
  let sharedInput: UnsafeMutableRawPointer
  /// [T, H] output of the shared experts.
  let sharedOutput: UnsafeMutablePointer<Float>
  /// [T, E] router logits.
  let logits: UnsafeMutablePointer<Float>
  /// [A, H] rows to send, in wire format.
  let sendRows: UnsafeMutableRawPointer
  /// [M, H] rows as they arrived, in wire format.
  let receivedRows: UnsafeMutableRawPointer
  /// [M, H] rows by slot, in compute format.
  let groupedRows: UnsafeMutableRawPointer
  /// [M, H] results by slot.
  let expertOutput: UnsafeMutablePointer<Float>
  /// [M, H] results in the order of arrival.
  let returnRows: UnsafeMutablePointer<Float>
  /// [A, H] results of this rank's own assignments.
  let combinedRows: UnsafeMutablePointer<Float>

  /// M, the most rows that may arrive.
  let receiveCapacity: Int

  private let allocations: [UnsafeMutableRawPointer]

  /// The sizes that decide how much memory is needed.
  struct Sizes {
    var tokens: Int
    /// The most rows that the tokens send.
    var sentRows: Int
    var receivedRows: Int
    var hidden: Int
    var logitsPerToken: Int
    var hasShared: Bool
    var elementBytes: Int
    /// Bytes of a row in the widest wire format.
    var wireRowBytes: Int

    /// Bytes of each buffer, in the order of the properties of ``LayerBuffers``.
    fileprivate var byteCounts: [Int] {
      let tokenRows = tokens * hidden
      let assignmentRows = sentRows * hidden
      let received = receivedRows * hidden
      return [
        tokenRows * 4, tokenRows * 4, hasShared ? tokenRows * elementBytes : 0,
        hasShared ? tokenRows * 4 : 0, tokens * logitsPerToken * 4, sentRows * wireRowBytes,
        receivedRows * wireRowBytes, received * elementBytes, received * 4, received * 4,
        assignmentRows * 4,
      ]
    }

    /// Bytes of all buffers.
    var totalBytes: Int { byteCounts.reduce(0, +) }
  }

  init(_ sizes: Sizes) {
    allocations = sizes.byteCounts.map { bytes in
      // A cache line of slack keeps empty buffers valid pointers.
      let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes + 64, alignment: 64)
      // Touch every page now: a page fault must not fall into a span.
      memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes + 64)
      return memory
    }
    receiveCapacity = sizes.receivedRows
    let allocations = self.allocations
    func floats(_ index: Int) -> UnsafeMutablePointer<Float> {
      allocations[index].assumingMemoryBound(to: Float.self)
    }
    activations = floats(0)
    normalised = floats(1)
    sharedInput = allocations[2]
    sharedOutput = floats(3)
    logits = floats(4)
    sendRows = allocations[5]
    receivedRows = allocations[6]
    groupedRows = allocations[7]
    expertOutput = floats(8)
    returnRows = floats(9)
    combinedRows = floats(10)
  }

  deinit {
    for memory in allocations { memory.deallocate() }
  }
}
