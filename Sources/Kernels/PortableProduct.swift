// SPDX-License-Identifier: Apache-2.0
// epsim: matrix products by our own C.

internal import CKernels

/// A product in f32 by the portable kernels.
final class PortableProduct: ProductBackend {
  private let instructionSet: ck_isa
  private let inputSize: Int
  private let outputSize: Int
  private let scratch: AlignedBuffer

  init(instructionSet: ck_isa, inputSize: Int, outputSize: Int, maxRows: Int) {
    self.instructionSet = instructionSet
    self.inputSize = inputSize
    self.outputSize = outputSize
    scratch = AlignedBuffer(
      byteCount: ck_gemm_scratch_count(maxRows, inputSize) * ElementType.f32.byteCount)
  }

  var packedByteCount: Int {
    ck_gemm_packed_count(instructionSet, inputSize, outputSize) * ElementType.f32.byteCount
  }

  func bind(_ buffer: UnsafeMutableRawPointer) -> OpaquePointer? { nil }

  func unbind(_ native: OpaquePointer?) {}

  func pack(_ weights: UnsafePointer<Float>, into packed: PackedWeights) {
    ck_gemm_pack(
      instructionSet, inputSize, outputSize, weights,
      packed.bytes.assumingMemoryBound(to: Float.self))
  }

  func prepare(rows: Int) {}

  func prefersPackedLayout(rows: Int) -> Bool { true }

  func multiply(
    rows: Int, x: UnsafeRawPointer, weights: PackedWeights, y: UnsafeMutablePointer<Float>
  ) {
    ck_gemm(
      instructionSet, rows, inputSize, outputSize, x.assumingMemoryBound(to: Float.self),
      weights.bytes.assumingMemoryBound(to: Float.self),
      scratch.bytes.assumingMemoryBound(to: Float.self), y)
  }
}
