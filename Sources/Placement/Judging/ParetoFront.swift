// SPDX-License-Identifier: Apache-2.0
// epsim: which of several choices no other one beats in everything.

/// The points of a plane that are not dominated, less being better in both directions.
///
/// A point is dominated where another is no worse in both and better in one. Of equal points the
/// first stays.
public struct ParetoFront: Sendable, Equatable {
  /// Indices of the points on the front, by rising first coordinate.
  public let indices: [Int]

  /// - Parameter points: finite; a point with a NaN is left out.
  public init(_ points: [(Double, Double)]) {
    let order = points.indices
      .filter { !points[$0].0.isNaN && !points[$0].1.isNaN }
      .sorted {
        (points[$0].0, points[$0].1, Double($0)) < (points[$1].0, points[$1].1, Double($1))
      }
    var least = Double.infinity
    var front: [Int] = []
    for index in order where front.isEmpty || points[index].1 < least {
      front.append(index)
      least = points[index].1
    }
    indices = front
  }
}
