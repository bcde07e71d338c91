// SPDX-License-Identifier: Apache-2.0
// epsim: times of which some parts add up and others hide behind the largest of them.

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// T = sum_j c_j x_j + (sum_k (g_k y_k)^p)^(1/p): fixed costs plus the smooth maximum of limits.
///
/// The limits of an exchange are its ports, those of expert products the arithmetic and the memory.
public struct BottleneckModel: Sendable, Hashable {
  /// How sharp the maximum is: two equal limits take 2^(1/4) = 1.19 times as long as one.
  public static let sharpness = 4.0

  /// [sums] cost of each unit of what adds up.
  public var sums: [Double]
  /// [limits] cost of each unit of what can be the bottleneck.
  public var limits: [Double]

  public init(sums: [Double], limits: [Double]) {
    self.sums = sums
    self.limits = limits
  }

  /// One measured time and what it is made of.
  public struct Row: Sendable, Hashable {
    /// [sums] units of what adds up.
    public var sums: [Double]
    /// [limits] units of what can be the bottleneck; 0 where it is not used.
    public var limits: [Double]
    /// The time.
    public var value: Double

    public init(sums: [Double], limits: [Double], value: Double) {
      self.sums = sums
      self.limits = limits
      self.value = value
    }
  }

  /// The predicted time of a row, in the unit of the costs.
  public func prediction(_ row: Row) -> Double {
    zip(sums, row.sums).reduce(smoothMaximum(row)) { $0 + $1.0 * $1.1 }
  }

  /// The smooth maximum of the limits; 0 where nothing is used.
  func smoothMaximum(_ row: Row) -> Double {
    let parts = zip(limits, row.limits).map { $0 * $1 }
    guard let largest = parts.max(), largest > 0 else { return 0 }
    return largest
      * pow(parts.reduce(0) { $0 + pow($1 / largest, Self.sharpness) }, 1 / Self.sharpness)
  }

  /// Fits both kinds of costs to rows, with the least sum of squared relative errors.
  ///
  /// A smooth maximum is homogeneous, so it equals its gradient times its arguments (Euler): each
  /// Gauss-Newton step is ``RelativeLeastSquares`` for all costs at once. Steps go half of the way;
  /// the best of all is kept.
  /// - Parameters:
  ///   - leastLimits: bounds from below of the costs of the limits (1 / line rate); nil for 0.
  ///   - known: costs of limits that are known and not fitted, by index.
  /// - Precondition: rows with positive values; every limit that is not known is used by a row.
  public static func fit(
    _ rows: [Row], leastLimits: [Double]? = nil, known: [Int: Double] = [:]
  ) -> BottleneckModel {
    precondition(
      !rows.isEmpty && rows.allSatisfy { $0.value > 0 }, "\(rows.count) rows, values above 0")
    let (sumCount, limitCount) = (rows[0].sums.count, rows[0].limits.count)
    let leastLimits = leastLimits ?? Array(repeating: 0, count: limitCount)
    let free = (0..<limitCount).filter { known[$0] == nil }
    let least = Array(repeating: 0, count: sumCount) + free.map { leastLimits[$0] }
    let values = rows.map(\.value)
    var model = BottleneckModel(
      sums: Array(repeating: 0, count: sumCount),
      limits: (0..<limitCount).map { limit in
        // Half of what would explain the median row on its own.
        let costs = rows.filter { $0.limits[limit] > 0 }.map { $0.value / $0.limits[limit] }
          .sorted()
        precondition(known[limit] != nil || !costs.isEmpty, "no row uses limit \(limit)")
        return known[limit] ?? max(leastLimits[limit], costs[costs.count / 2] / 2)
      })
    var best = (model: model, squaredError: Double.infinity)
    for _ in 0..<60 {
      var (terms, targets): ([[Double]], [Double]) = ([], [])
      for row in rows {
        let gradient = model.gradient(row)
        terms.append(row.sums + free.map { gradient[$0] })
        targets.append(known.reduce(row.value) { $0 - gradient[$1.key] * $1.value })
      }
      let step = RelativeLeastSquares.coefficients(
        rows: terms, values: targets, scales: values, least: least)
      model.sums = Array(step.prefix(sumCount))
      let before = model.limits
      for (index, limit) in free.enumerated() {
        // Never nothing: a limit that vanished would have no gradient to come back by.
        model.limits[limit] = max(
          (model.limits[limit] + step[sumCount + index]) / 2, model.limits[limit] * 1e-3)
      }
      let squaredError = rows.reduce(0) {
        let error = model.prediction($1) / $1.value - 1
        return $0 + error * error
      }
      if squaredError < best.squaredError { best = (model, squaredError) }
      if zip(model.limits, before).allSatisfy({ abs($0 - $1) <= 1e-9 * $1 }) { break }
    }
    return best.model
  }

  /// 95 % intervals of all costs that ``fit(_:leastLimits:known:)`` gives, those of the sums first.
  ///
  /// - Parameter seed: of the bootstrap (``ResidualBootstrap``).
  /// - Returns: [sums + limits]; a known limit has no width.
  /// - Precondition: as for the fit.
  public static func intervals(
    _ rows: [Row], leastLimits: [Double]? = nil, known: [Int: Double] = [:], seed: UInt64 = 1,
    draws: Int = 100
  ) -> [ClosedRange<Double>] {
    let model = fit(rows, leastLimits: leastLimits, known: known)
    return ResidualBootstrap.intervals(
      predicted: rows.map(model.prediction), measured: rows.map(\.value),
      estimate: model.sums + model.limits, seed: seed, draws: draws
    ) { values in
      let drawn = zip(rows, values).map { Row(sums: $0.sums, limits: $0.limits, value: $1) }
      let refitted = fit(drawn, leastLimits: leastLimits, known: known)
      return refitted.sums + refitted.limits
    }
  }

  /// [limits] derivative of the smooth maximum by each cost.
  private func gradient(_ row: Row) -> [Double] {
    let maximum = smoothMaximum(row)
    guard maximum > 0 else { return Array(repeating: 0, count: limits.count) }
    return zip(limits, row.limits).map { $1 * pow($0 * $1 / maximum, Self.sharpness - 1) }
  }
}
