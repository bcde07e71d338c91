// SPDX-License-Identifier: Apache-2.0
// epsim: one weight matrix in the layout of its product.

/// A weight matrix [K, N] as its ``LinearProduct`` wants it: converted, reordered, 64-byte aligned.
public final class PackedWeights {
  /// Bytes that the packed matrix occupies.
  public let byteCount: Int
  /// The backend's object over the same bytes.
  let native: OpaquePointer?
  let product: LinearProduct
  private let buffer: AlignedBuffer

  /// Room for weights of `product`, zero until they are packed.
  /// - Throws: `KernelError` when the backend cannot describe them.
  public init(for product: LinearProduct) throws(KernelError) {
    self.product = product
    byteCount = product.packedByteCount
    buffer = AlignedBuffer(byteCount: byteCount)
    native = try product.backend.bind(buffer.bytes)
  }

  deinit {
    product.backend.unbind(native)
  }

  var bytes: UnsafeMutableRawPointer { buffer.bytes }
}
