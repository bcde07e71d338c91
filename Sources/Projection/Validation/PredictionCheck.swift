// SPDX-License-Identifier: Apache-2.0
// epsim: how good predictions were, in numbers and in order.

/// Predictions beside what was measured.
///
/// Besides the size of the errors it tells whether one would have chosen right: the order of the
/// cases, and what choosing the predicted best costs.
public struct PredictionCheck: Sendable {
  /// One predicted time.
  public struct Entry: Sendable {
    public var name: String
    public var predicted: Double
    /// Median of what was measured.
    public var measured: Double
    /// 95 % interval of ``measured``; a point where it is not known.
    public var interval: ClosedRange<Double>

    public init(
      name: String, predicted: Double, measured: Double, interval: ClosedRange<Double>? = nil
    ) {
      self.name = name
      self.predicted = predicted
      self.measured = measured
      self.interval = interval ?? measured...measured
    }

    /// Predicted over measured, less one.
    public var error: Double { predicted / measured - 1 }
  }

  public let entries: [Entry]

  public init(_ entries: [Entry]) { self.entries = entries }

  /// Mean of the errors' sizes; nil without entries.
  public var meanAbsoluteError: Double? {
    guard !entries.isEmpty else { return nil }
    return entries.reduce(0) { $0 + abs($1.error) } / Double(entries.count)
  }

  /// Pairs of entries whose measured intervals do not overlap, and how many of them were predicted
  /// in the order in which they were measured.
  public var pairs: (inOrder: Int, of: Int) {
    var (inOrder, count) = (0, 0)
    for (index, first) in entries.enumerated() {
      for second in entries[(index + 1)...] where !first.interval.overlaps(second.interval) {
        count += 1
        if (first.measured < second.measured) == (first.predicted < second.predicted),
          first.predicted != second.predicted
        {
          inOrder += 1
        }
      }
    }
    return (inOrder, count)
  }

  /// Kendall's tau over ``pairs``: (in order - out of order) / pairs; nil where all intervals
  /// overlap.
  public var rankCorrelation: Double? {
    let (inOrder, count) = pairs
    return count == 0 ? nil : Double(2 * inOrder - count) / Double(count)
  }

  /// What choosing the entry that was predicted fastest costs over the fastest measured, as a share
  /// of it; nil without entries.
  public var topOneRegret: Double? {
    guard let chosen = entries.min(by: { $0.predicted < $1.predicted }),
      let best = entries.map(\.measured).min()
    else { return nil }
    return chosen.measured / best - 1
  }
}
