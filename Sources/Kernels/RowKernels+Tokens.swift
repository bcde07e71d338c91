// SPDX-License-Identifier: Apache-2.0
// epsim: norm and digest of token rows.

internal import CKernels

extension RowKernels {
  /// Root-mean-square norm with gain 1: out[t] = x[t] / sqrt(mean(x[t]²) + epsilon).
  ///
  /// Shapes: `x` and `out` [tokens, length]; they may be the same memory. A row's bits depend on
  /// that row only.
  /// Source: Zhang and Sennrich 2019, equation 4.
  public static func rmsNorm(
    tokens: Int, length: Int, epsilon: Float = 1e-6, from x: UnsafePointer<Float>,
    into out: UnsafeMutablePointer<Float>
  ) {
    ck_rms_norm(tokens, length, epsilon, x, out)
  }

  /// The wrapping sum over tokens of a 64-bit hash of (global token index, bits of the row).
  ///
  /// A sum, so that ranks can add their shares in any order; equal only if every bit of every row
  /// is equal (a chance collision aside).
  ///
  /// Shapes: `tokenIndices` [tokens], `x` [tokens, length].
  public static func rowHash(
    tokens: Int, length: Int, tokenIndices: UnsafePointer<UInt64>, from x: UnsafePointer<Float>
  ) -> UInt64 {
    ck_row_hash(tokens, length, tokenIndices, x)
  }
}
