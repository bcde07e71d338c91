// SPDX-License-Identifier: Apache-2.0
// epsim: one number of a cluster profile with where it comes from.

/// One number of a cluster profile: what it says, where it comes from, how sure it is.
public struct ProfileValue: Sendable, Equatable {
  /// The keys from the top of the file to the number.
  public let path: [String]
  /// The path in one word, as errors and ``ClusterProfile/scaled(_:by:)`` name it:
  /// `network.between.bandwidth`.
  public let key: String
  /// What it is a number of.
  public let dimension: ProfileDimension
  /// As written: `450 GB/s`.
  public internal(set) var text: String
  /// In the base unit: s, B, B/s, FLOP/s, or 1.
  public internal(set) var value: Double
  public let provenance: Provenance
  /// Where it was measured or published, or what it was guessed from.
  public let source: String
  /// The name of the source in the profile's table; nil where the text stands beside the number.
  public let sourceName: String?
  /// 95 % interval in the base unit, of measured numbers.
  public internal(set) var interval: ClosedRange<Double>?
  /// The interval as written.
  var intervalText: [String]

  /// Whether a larger or smaller value makes sense: counts have only their own.
  public var isContinuous: Bool { !dimension.isCount }

  init(
    path: [String], dimension: ProfileDimension, text: String, value: Double,
    provenance: Provenance, source: String, sourceName: String?, interval: ClosedRange<Double>?,
    intervalText: [String]
  ) {
    self.path = path
    key = path.joined(separator: ".")
    self.dimension = dimension
    self.text = text
    self.value = value
    self.provenance = provenance
    self.source = source
    self.sourceName = sourceName
    self.interval = interval
    self.intervalText = intervalText
  }
}
