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
  /// Holds the buffers that the node shares.
  private let space: NodeSpace?

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

    /// Bytes of each ``SharedBuffer``.
    var sharedByteCounts: [Int] {
      let bytes = byteCounts
      return SharedBuffer.allCases.map { bytes[LayerBuffers.index(of: $0)] + 64 }
    }

    /// Bytes of all buffers.
    var totalBytes: Int { byteCounts.reduce(0, +) }
  }

  /// Place of a shared buffer in the order of the properties.
  private static func index(of buffer: SharedBuffer) -> Int {
    switch buffer {
    case .grouped: 7
    case .received: 6
    case .combined: 10
    case .fannedOut: 12
    }
  }

  /// - Parameter space: holds the buffers that ranks of the node write into; nil where none do.
  init(_ sizes: Sizes, space: NodeSpace? = nil) {
    self.space = space
    let isShared = Set(space == nil ? [] : SharedBuffer.allCases.map(Self.index))
    var memories = sizes.byteCounts.enumerated().map { index, bytes in
      // Those that the node shares are replaced below.
      let bytes = isShared.contains(index) ? 0 : bytes
      // A cache line of slack keeps empty buffers valid pointers.
      let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes + 64, alignment: 64)
      // Touch every page now: a page fault must not fall into a span.
      memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes + 64)
      return memory
    }
    allocations = memories
    if let space {
      for buffer in SharedBuffer.allCases {
        memories[Self.index(of: buffer)] = space.buffer(buffer, ofPlace: space.place)
      }
    }
    let buffers = memories
    func floats(_ index: Int) -> UnsafeMutablePointer<Float> {
      buffers[index].assumingMemoryBound(to: Float.self)
    }
    activations = floats(0)
    normalised = floats(1)
    sharedInput = buffers[2]
    sharedOutput = floats(3)
    logits = floats(4)
    sendRows = buffers[5]
    receivedRows = buffers[6]
    groupedRows = buffers[7]
    expertOutput = floats(8)
    returnRows = buffers[9]
    combinedRows = buffers[10]
    forwardedRows = buffers[11]
    fannedOutRows = buffers[12]
  }

  deinit {
    for memory in allocations { memory.deallocate() }
  }
}
