// SPDX-License-Identifier: Apache-2.0
// epsim: all published tables, recomputed.

internal import Workloads

/// Every model against every published table that it is for.
///
/// Nothing is stored: fits and predictions are computed from the files each time.
public struct PublishedReport: Sendable {
  public let comparisons: [PublishedComparison]

  /// - Parameter folder: path of the folder `timings`.
  /// - Throws: `InputError` when a file is absent or not the table that is expected.
  public init(folder: String) throws {
    try self.init { file in
      try InputFile.bytes(ofPath: "\(folder)/\(file)", kind: "table")
    }
  }

  /// - Parameter read: the bytes of a file of the folder `timings`.
  /// - Throws: what `read` throws; `InputError` when a file is not the table that is expected.
  public init(read: (_ file: String) throws -> [UInt8]) throws {
    func table(_ file: String) throws -> PublishedTable {
      try PublishedTable(bytes: try read(file), name: file)
    }
    let readme = try table("deepep_readme.csv")
    comparisons =
      try DeepEPLowLatency.comparisons(
        measured: try table("deepep_low_latency.csv"), readme: readme)
      + DeepEPNormal.comparisons(measured: try table("deepep_normal.csv"), readme: readme)
      + NCCLAllToAll.comparisons(try table("nccl_collectives.csv"))
      + GroupedProducts.comparisons(
        decode: try table("infersim_grouped_gemm_decode_h800.csv"),
        prefill: try table("infersim_grouped_gemm_prefill_h800.csv"))
  }
}
