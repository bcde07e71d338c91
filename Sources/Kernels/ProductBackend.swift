// SPDX-License-Identifier: Apache-2.0
// epsim: what a backend does for one matrix product.

/// A product y = x W for any row count up to a limit, with weights in the backend's own layout.
///
/// One call per block of rows, so the dynamic dispatch is far below anything measurable.
protocol ProductBackend: AnyObject {
  /// Bytes of one packed weight matrix.
  var packedByteCount: Int { get }
  /// The backend's own object for weights in this buffer, which outlives it; nil if it needs none.
  func bind(_ buffer: UnsafeMutableRawPointer) throws(KernelError) -> OpaquePointer?
  /// Frees what ``bind(_:)`` returned.
  func unbind(_ native: OpaquePointer?)
  /// Converts and reorders row-major [K, N] into packed weights.
  func pack(_ weights: UnsafePointer<Float>, into packed: PackedWeights) throws(KernelError)
  /// Does now whatever the first product of this row count would have to do.
  func prepare(rows: Int) throws(KernelError)
  /// Whether a product of this row count alone would have been given the same weights layout.
  func prefersPackedLayout(rows: Int) throws(KernelError) -> Bool
  /// y [rows, N] = x [rows, K] W.
  func multiply(
    rows: Int, x: UnsafeRawPointer, weights: PackedWeights, y: UnsafeMutablePointer<Float>
  ) throws(KernelError)
}
