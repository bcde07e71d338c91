// SPDX-License-Identifier: Apache-2.0
// epsim: what this process computes with, as records and reports show it.

/// Which row counts a product is computed in, so that a row's bits depend on the row alone.
///
/// A token must get the same result whether it arrives with one companion or with two hundred
/// (docs/architecture.md, determinism); a self-test decides what that takes here.
public enum RowBlock: Sendable, Equatable, CustomStringConvertible {
  /// Any row count gives the same bits: products have exactly the rows that there are.
  case exact
  /// Bits vary with the row count: every product is padded to a multiple of this many rows.
  case fixed(Int)

  public var description: String {
    switch self {
    case .exact: "exact"
    case .fixed(let rows): "fixed:\(rows)"
    }
  }
}

/// What this process computes with, and the outcome of the self-test.
///
/// Two runs can only have equal digests where these agree.
public struct KernelEnvironment: Sendable, Equatable {
  /// Who multiplies.
  public let backend: Backend
  /// The library's version at run time; "1" for the portable kernels.
  public let backendVersion: String
  /// What the products are generated or compiled for, such as `avx512_core_bf16`, `x86-64-v3`.
  public let instructionSet: String
  /// Whether bf16 products run at native speed; without it only `f32` is accepted.
  public let supportsBF16: Bool
  /// Threads of one product.
  public let threads: Int
  /// How row counts are treated so that a row's bits depend on the row alone.
  public let rowBlock: RowBlock
}
