// SPDX-License-Identifier: Apache-2.0
// epsim: what a measured profile was measured on, and what lies outside.

public import CostModel
internal import Foundation

extension ClusterProfile {
  /// What of a step lies outside of what was measured, in words: a projection is an extrapolation
  /// there. Nothing for profiles that do not say what they were measured on.
  ///
  /// - Parameters:
  ///   - messages: mean bytes of a message, smallest and largest over exchanges; nil without any.
  ///   - rows: rows per active expert, fewest and most over layers; nil without any.
  public func outsideHull(
    of topology: Topology, messages: ClosedRange<Double>?, rows: ClosedRange<Double>?
  ) -> [String] {
    var words: [String] = []
    if let ranks = count("hull.ranks"), topology.rankCount > ranks {
      words.append("\(topology.rankCount) ranks (\(ranks) measured)")
    }
    if let nodes = count("hull.nodes"), topology.nodeCount > nodes {
      words.append("\(topology.nodeCount) nodes (\(nodes) measured)")
    }
    if let messages {
      if let least = number("hull.smallest_message"), messages.lowerBound < least {
        words.append(
          "messages of \(size(messages.lowerBound)) (from \(size(least)) on measured)")
      }
      if let most = number("hull.largest_message"), messages.upperBound > most {
        words.append("messages of \(size(messages.upperBound)) (up to \(size(most)) measured)")
      }
    }
    if let rows, let most = number("hull.most_rows"), rows.upperBound > most {
      let count = Int(rows.upperBound.rounded())
      words.append("\(count) rows per expert (up to \(Int(most)) measured)")
    }
    return words
  }

  private func size(_ bytes: Double) -> String { ProfileQuantity(bytes, .size).text }

  /// How many numbers come from where, in words: `12 published, 9 assumed`.
  public var provenanceWords: String {
    Provenance.allCases.compactMap { provenance in
      let count = values.count { $0.provenance == provenance }
      return count > 0 ? "\(count) \(provenance.rawValue)" : nil
    }.joined(separator: ", ")
  }
}
