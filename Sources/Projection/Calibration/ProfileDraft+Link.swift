// SPDX-License-Identifier: Apache-2.0
// epsim: a fitted link as a part of a cluster profile.

internal import CostModel
internal import Foundation
internal import MoE

extension ProfileDraft {
  /// Sets `segments` of a level to what was fitted, with intervals.
  ///
  /// - Parameter source: a name of the table of sources, or a text of several words.
  /// - Throws: ``InputError`` for segments that begin less than a byte apart, which a profile cannot
  ///   tell.
  public mutating func set(
    _ fit: LinkFit, of level: ClusterSamples.Level, _ provenance: Provenance, source: String
  ) throws {
    let path = ["network", level.rawValue, "segments"]
    let sizes = fit.segments.map { Self.sizeKey($0.from) }
    guard Set(sizes).count == sizes.count else {
      throw InputError(
        "messages whose times need segments less than a byte apart, accepted are messages of whole "
          + "bytes")
    }
    for (size, segment) in zip(sizes, fit.segments) {
      set(
        path + [size, "latency"], segment.latency.value, provenance, source: source,
        interval: segment.latencyInterval.lowerBound
          .value...segment.latencyInterval.upperBound.value)
      // Times that do not grow with bytes: a rate above all others.
      let rate = min(segment.bandwidth.value, Self.largestRate)
      set(
        path + [size, "bandwidth"], rate, provenance, source: source,
        interval: min(
          rate, segment.bandwidthInterval.lowerBound.value)...min(
            Self.largestRate, segment.bandwidthInterval.upperBound.value))
    }
  }

  private static let largestRate = 1e15

  /// The network and the sources alone, as they are pasted into a profile.
  public var networkFragment: String {
    let lines = yaml.split(separator: "\n", omittingEmptySubsequences: false)
    return lines.drop { $0 != "network:" }.joined(separator: "\n")
  }
}
