// SPDX-License-Identifier: Apache-2.0
// epsim: from measured exchanges to the time of another one.

internal import Foundation

extension MeasuredExchanges {
  /// What an exchange is expected to take, microseconds.
  public struct Prediction: Sendable, Equatable {
    /// Everything but route and experts.
    public var us: Double
    /// Dispatch and combine alone.
    public var travelUs: Double
    /// Whether there are fewer or more bytes than were measured.
    public var isExtrapolated: Bool
  }

  /// What an engine takes for an exchange; nil where it was not measured.
  ///
  /// The series that is most like the exchange (``ExchangeShape/distance(to:)``, at its point
  /// nearest in bytes per rank) speaks for it, the same one for every engine. Between its points
  /// times are interpolated in the logarithms of time and bytes per rank; outside of them they go on
  /// linearly in bytes, with the slope of the two outermost points, and never fall with more bytes.
  public func prediction(of engine: Engine, _ shape: ExchangeShape) -> Prediction? {
    let bytes = max(shape.bytesPerRank, .leastNormalMagnitude)
    guard
      let points = series.min(by: {
        $0.distance(to: shape, bytes: bytes) < $1.distance(to: shape, bytes: bytes)
      })?.points, points[0].time(of: engine) != nil
    else { return nil }
    let curve = points.map { (bytes: $0.shape.bytesPerRank, time: $0.time(of: engine)!) }
    let us = Self.value(at: bytes, curve.map { ($0.bytes, $0.time.us) })
    return Prediction(
      us: us, travelUs: min(us, Self.value(at: bytes, curve.map { ($0.bytes, $0.time.travelUs) })),
      isExtrapolated: bytes < curve[0].bytes || bytes > curve[curve.count - 1].bytes)
  }

  /// The curve through these points, ascending in x, at any x.
  private static func value(at x: Double, _ points: [(x: Double, y: Double)]) -> Double {
    let (first, last) = (points[0], points[points.count - 1])
    guard points.count > 1 else { return x > first.x ? first.y * x / first.x : first.y }
    func line(from start: (x: Double, y: Double), to end: (x: Double, y: Double)) -> Double {
      max(0, (end.y - start.y) / (end.x - start.x))
    }
    if x < first.x {
      // Through the origin at the steepest: no exchange takes less than its share of bytes.
      return max(first.y * x / first.x, first.y - line(from: first, to: points[1]) * (first.x - x))
    }
    if x > last.x {
      return last.y + line(from: points[points.count - 2], to: last) * (x - last.x)
    }
    let right = max(1, points.firstIndex { $0.x >= x } ?? points.count - 1)
    let (low, high) = (points[right - 1], points[right])
    let share = log(x / low.x) / log(high.x / low.x)
    // Travel may be nothing, which has no logarithm.
    guard low.y > 0, high.y > 0 else { return low.y + share * (high.y - low.y) }
    return low.y * pow(high.y / low.y, share)
  }
}

extension MeasuredExchanges.Series {
  /// How unlike an exchange is to the point that is nearest to it in bytes.
  fileprivate func distance(to shape: ExchangeShape, bytes: Double) -> Double {
    let nearest = points.min {
      abs(log2($0.shape.bytesPerRank / bytes)) < abs(log2($1.shape.bytesPerRank / bytes))
    }
    return nearest.map { shape.distance(to: $0.shape) } ?? .infinity
  }
}
