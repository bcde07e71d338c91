// SPDX-License-Identifier: Apache-2.0
// epsim: who multiplies the matrices.

/// An implementation of the matrix products; everything else is the same C code under both.
public enum Backend: String, Sendable, Codable, CaseIterable {
  /// Intel's oneDNN, which generates code for the CPU it runs on.
  case oneDNN = "onednn"
  /// Our own C, compiled for a few instruction sets; f32 only.
  case portable

  /// The backends of this build, best first.
  public static var available: [Backend] {
    #if EPSIM_ONEDNN
      [.oneDNN, .portable]
    #else
      [.portable]
    #endif
  }

  /// The best backend of this build.
  public static var preferred: Backend { available[0] }
}
