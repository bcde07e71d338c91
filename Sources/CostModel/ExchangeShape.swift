// SPDX-License-Identifier: Apache-2.0
// epsim: what an exchange is like, as far as its time depends on it.

internal import Foundation

/// An exchange in a few numbers that follow from its counts, so that every rank knows them alike.
public struct ExchangeShape: Sendable, Equatable, Codable {
  /// Assignments that a rank sends, mean over ranks, those to itself included.
  public var rowsPerRank: Double
  /// Bytes of an assignment's row to the expert and of its result back together.
  public var rowBytes: Double
  /// Largest over mean assignments that a rank receives; at least 1.
  public var skew: Double
  /// Share of the ordered pairs of different ranks that have rows for each other, 0 to 1.
  public var partners: Double
  /// Share of the assignments that leave their rank, 0 to 1.
  public var offRank: Double
  /// Assignments per copy where one travels per token and rank; at least 1.
  public var rankCopies: Double
  /// Assignments per copy where one travels per token and node; at least 1.
  public var nodeCopies: Double

  public init(
    rowsPerRank: Double, rowBytes: Double, skew: Double = 1, partners: Double = 1,
    offRank: Double = 1, rankCopies: Double = 1, nodeCopies: Double = 1
  ) {
    self.rowsPerRank = rowsPerRank
    self.rowBytes = rowBytes
    self.skew = skew
    self.partners = partners
    self.offRank = offRank
    self.rankCopies = rankCopies
    self.nodeCopies = nodeCopies
  }

  /// The mean of several, figure by figure.
  /// - Precondition: there is one.
  public init(meanOf shapes: [ExchangeShape]) {
    precondition(!shapes.isEmpty, "the mean of 0 exchanges")
    func mean(_ value: KeyPath<ExchangeShape, Double>) -> Double {
      shapes.reduce(0) { $0 + $1[keyPath: value] } / Double(shapes.count)
    }
    self.init(
      rowsPerRank: mean(\.rowsPerRank), rowBytes: mean(\.rowBytes), skew: mean(\.skew),
      partners: mean(\.partners), offRank: mean(\.offRank), rankCopies: mean(\.rankCopies),
      nodeCopies: mean(\.nodeCopies))
  }

  /// Bytes of a rank's assignments, both ways: what times are interpolated in.
  public var bytesPerRank: Double { rowsPerRank * rowBytes }

  /// How unlike two exchanges are, whatever their number of rows: the sum of the differences of
  /// shares and of the binary logarithms of ratios. The length of a row counts a quarter: most of
  /// its effect is in the bytes.
  public func distance(to other: ExchangeShape) -> Double {
    func ratio(_ value: KeyPath<ExchangeShape, Double>) -> Double {
      abs(log2(self[keyPath: value] / other[keyPath: value]))
    }
    return ratio(\.skew) + ratio(\.rankCopies) + ratio(\.nodeCopies) + ratio(\.rowBytes) / 4
      + abs(partners - other.partners) + abs(offRank - other.offRank)
  }

  /// Why these numbers cannot be; nil where they can.
  var problem: String? {
    let figures: [(name: String, value: Double, accepted: ClosedRange<Double>)] = [
      ("rows_per_rank", rowsPerRank, 1e-6...1e12), ("row_bytes", rowBytes, 1...1e9),
      ("skew", skew, 1...1e6), ("partners", partners, 0...1), ("off_rank", offRank, 0...1),
      ("rank_copies", rankCopies, 1...1e6), ("node_copies", nodeCopies, 1...1e6),
    ]
    // NaN is in no range.
    return figures.first { !$0.accepted.contains($0.value) }.map {
      "\($0.name) \($0.value), accepted are \($0.accepted.lowerBound) to \($0.accepted.upperBound)"
    }
  }
}
