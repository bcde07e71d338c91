// SPDX-License-Identifier: Apache-2.0
// epsim: weighted sums of scattered rows.

internal import CKernels

extension RowKernels {
  /// Adds the weighted expert results and the shared experts' result to the residual, in one pass.
  ///
  /// x[t] = x[t] + ((sum over k ascending of weights[t, k] * results[resultRows[t, k]]) +
  /// shared[t]), in `Float`; the order is fixed, so equal inputs give equal bits on CPUs with the
  /// same instruction set (with fused multiply-add a product is not rounded before it is added).
  ///
  /// Shapes: `weights` and `resultRows` [tokens, topK], a negative row is skipped (a dropped
  /// assignment); `results` [*, length] of `resultType`; `shared` [tokens, length] or nil; `x`
  /// [tokens, length].
  public static func reduce(
    tokens: Int, length: Int, topK: Int, weights: UnsafePointer<Float>,
    resultRows: UnsafePointer<Int32>, results: UnsafeRawPointer, resultType: ElementType,
    shared: UnsafePointer<Float>?, into x: UnsafeMutablePointer<Float>
  ) {
    switch resultType {
    case .f32:
      ck_reduce_f32(
        tokens, length, topK, weights, resultRows, results.assumingMemoryBound(to: Float.self),
        shared, x)
    case .bf16:
      ck_reduce_bf16(
        tokens, length, topK, weights, resultRows, results.assumingMemoryBound(to: UInt16.self),
        shared, x)
    }
  }

  /// Sums groups of rows, each row times its weight.
  ///
  /// target[i] = sum over j ascending in offsets[i] ..< offsets[i + 1] of
  /// weights[j] * source[members[j]]; each product and each sum is rounded to `Float`, the result
  /// once more to `targetType`, so equal inputs give equal bits on every CPU (the payload of a NaN
  /// aside). The sum starts at +0: an empty group gives a row of zeros. Without weights the rows are
  /// added as they are. A member may occur more than once.
  ///
  /// Shapes: `offsets` [rows + 1], not descending; `members` and `weights`
  /// [offsets[rows]]; `source` [*, length] of `sourceType`; `target` [rows, length] of
  /// `targetType`.
  public static func weightedSums(
    rows: Int, length: Int, offsets: UnsafePointer<Int32>, members: UnsafePointer<Int32>,
    weights: UnsafePointer<Float>?, from source: UnsafeRawPointer, type sourceType: ElementType,
    into target: UnsafeMutableRawPointer, type targetType: ElementType
  ) {
    switch (sourceType, targetType) {
    case (.f32, .f32):
      ck_sums_f32_f32(
        rows, length, offsets, members, weights, source.assumingMemoryBound(to: Float.self),
        target.assumingMemoryBound(to: Float.self))
    case (.f32, .bf16):
      ck_sums_f32_bf16(
        rows, length, offsets, members, weights, source.assumingMemoryBound(to: Float.self),
        target.assumingMemoryBound(to: UInt16.self))
    case (.bf16, .f32):
      ck_sums_bf16_f32(
        rows, length, offsets, members, weights, source.assumingMemoryBound(to: UInt16.self),
        target.assumingMemoryBound(to: Float.self))
    case (.bf16, .bf16):
      ck_sums_bf16_bf16(
        rows, length, offsets, members, weights, source.assumingMemoryBound(to: UInt16.self),
        target.assumingMemoryBound(to: UInt16.self))
    }
  }
}
