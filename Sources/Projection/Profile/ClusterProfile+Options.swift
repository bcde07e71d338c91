// SPDX-License-Identifier: Apache-2.0
// epsim: numbers with units that options give.

public import CostModel
internal import MoE

extension ClusterProfile {
  /// A bandwidth as it is written in profiles: `25 Gbit/s`.
  /// - Throws: ``InputError`` that names the option, the text and what is accepted.
  public static func bandwidth(_ text: String, option: String) throws -> BytesPerSecond {
    BytesPerSecond(
      try ProfileQuantity(text, .bandwidth, key: "--\(option)", place: "command line").value)
  }
}

extension ProfileValue {
  /// The interval as written, `2 us to 3 us`; empty where there is none.
  public var intervalWords: String { intervalText.joined(separator: " to ") }
}

extension ClusterProfile {
  /// Whether kernels pass rows on inside a node while others still arrive from outside: those of
  /// accelerators do (DeepEP), MPI programs take one hop after the other.
  public var forwardsWhileReceiving: Bool {
    draft.text("rank.kind") == RankKind.accelerator.rawValue
  }
}
