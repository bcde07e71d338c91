// SPDX-License-Identifier: Apache-2.0
// epsim: whether a fit can be trusted, in words.

internal import Foundation

/// How far a fit is from the rows that it is judged on, against what is accepted.
public struct FitVerdict: Sendable, Hashable, CustomStringConvertible {
  /// Mean of |predicted / measured - 1|.
  public var meanAbsoluteError: Double
  /// The largest of them.
  public var largestError: Double
  /// Rows that it was judged on.
  public var rowCount: Int
  /// The largest mean that is accepted.
  public var bound: Double

  /// - Parameter errors: predicted / measured - 1 of each row.
  public init(errors: [Double], bound: Double) {
    let sizes = errors.map(abs)
    meanAbsoluteError = sizes.isEmpty ? 0 : sizes.reduce(0, +) / Double(sizes.count)
    largestError = sizes.max() ?? 0
    rowCount = sizes.count
    self.bound = bound
  }

  /// Whether there are rows and the mean error is within the bound.
  public var isGood: Bool { rowCount > 0 && meanAbsoluteError <= bound }

  public var description: String {
    guard rowCount > 0 else { return "cannot be judged, there are no rows for it" }
    let figures =
      "mean error \(Self.percent(meanAbsoluteError)) over \(rowCount) rows, largest "
      + Self.percent(largestError)
    return isGood
      ? "fits: \(figures)"
      : "does not fit: \(figures), accepted is a mean of \(Self.percent(bound))"
  }

  private static func percent(_ share: Double) -> String {
    share.isFinite ? String(format: "%.1f %%", 100 * share) : "beyond measure"
  }
}
