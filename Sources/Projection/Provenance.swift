// SPDX-License-Identifier: Apache-2.0
// epsim: where a number comes from.

/// Where a number of a cluster profile comes from.
public enum Provenance: String, Sendable, Codable, CaseIterable {
  /// Measured on the machine that the profile is of, by `epsim calibrate`.
  case measured
  /// Written in a document or file that the source names.
  case published
  /// Neither: a guess, marked as one.
  case assumed
}
