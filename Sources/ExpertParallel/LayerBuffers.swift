// SPDX-License-Identifier: Apache-2.0
// epsim: the activations of one rank, allocated once before the first step.

internal import Kernels

/// Every activation buffer of a rank, large enough for every step of every case.
///
/// Shapes: T tokens, M rows at this rank's experts, H hidden size; all row-major. What travels has
/// the shape that its exchange gives it.
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
  /// Blocks of units to send.
  let sendRows: UnsafeMutableRawPointer
  /// Blocks of units as they arrived.
  let receivedRows: UnsafeMutableRawPointer
  /// [M, H] rows by slot, in compute format.
  let groupedRows: UnsafeMutableRawPointer
  /// [M, H] results by slot.
  let expertOutput: UnsafeMutablePointer<Float>
  /// Results that leave, in the format of the combine wire.
  let returnRows: UnsafeMutableRawPointer
  /// Results of this rank's own tokens, in the format of the combine wire.
  let combinedRows: UnsafeMutableRawPointer
  /// Copies taken in for the node; later the sums of their results.
  let forwardedRows: UnsafeMutableRawPointer
  /// Copies fanned out in the node; later their results.
  let fannedOutRows: UnsafeMutableRawPointer

  private let allocations: [UnsafeMutableRawPointer]

  /// The sizes that decide how much memory is needed.
  struct Sizes {
    var bounds: RowBounds
    /// What travels, the largest of all cases.
    var space: ExchangeSpace
    var hidden: Int
    var logitsPerToken: Int
    var hasShared: Bool
    var elementBytes: Int

    /// Bytes of each buffer, in the order of the properties of ``LayerBuffers``.
    fileprivate var byteCounts: [Int] {
      let tokenRows = bounds.tokens * hidden
      let received = bounds.receivedRows * hidden
      return [
        tokenRows * 4, tokenRows * 4, hasShared ? tokenRows * elementBytes : 0,
        hasShared ? tokenRows * 4 : 0, bounds.tokens * logitsPerToken * 4, space.send,
        space.received, received * elementBytes, received * 4, space.returned, space.combined,
        space.forwarded, space.fannedOut,
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
    returnRows = allocations[9]
    combinedRows = allocations[10]
    forwardedRows = allocations[11]
    fannedOutRows = allocations[12]
  }

  deinit {
    for memory in allocations { memory.deallocate() }
  }
}
