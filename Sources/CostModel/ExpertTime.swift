// SPDX-License-Identifier: Apache-2.0
// epsim: how long a rank's experts compute.

internal import Foundation

/// The roofline of the experts of a rank.
///
///     T = fixed + (perExpert * active + L4(sum over experts of work / rate(rows), bytes / memory)) / speed
///
/// L4(a, b) = (a^4 + b^4)^(1/4), a smooth maximum. Bytes are the weights of the active experts and
/// the rows. Without rows nothing runs, in no time.
public struct ExpertTime: Sendable {
  public let rank: RankParameters
  public let widths: ExpertWidths
  /// Natural logarithms of the rows and rates of ``RankParameters/efficiencies``.
  private let logRows: [Double]
  private let logRates: [Double]

  /// - Precondition: efficiencies ascend in rows; without any, products take no time.
  public init(_ rank: RankParameters, _ widths: ExpertWidths) {
    precondition(
      zip(rank.efficiencies, rank.efficiencies.dropFirst()).allSatisfy { $0.rows < $1.rows },
      "efficiencies ascend in rows")
    self.rank = rank
    self.widths = widths
    logRows = rank.efficiencies.map { log($0.rows) }
    logRates = rank.efficiencies.map { log($0.rate.value) }
  }

  /// The time of experts with these rows each; those without rows are not active.
  public func time(rowsPerExpert: some Sequence<Double>) -> Seconds {
    var (work, rows, active) = (0.0, 0.0, 0.0)
    for count in rowsPerExpert where count > 0 {
      work += (widths.workPerRow * count / rate(rows: count)).value
      rows += count
      active += 1
    }
    return time(products: work, rows: rows, active: active)
  }

  /// The time of so many active experts that share rows evenly.
  public func time(rows: Double, active: Double) -> Seconds {
    guard rows > 0 else { return .zero }
    let rate = rate(rows: rows / max(active, 1))
    return time(
      products: (widths.workPerRow * rows / rate).value, rows: rows, active: active)
  }

  private func time(products: Double, rows: Double, active: Double) -> Seconds {
    guard rows > 0 else { return .zero }
    let moved = widths.bytesPerExpert * active + widths.bytesPerRow * rows
    let reading = (moved / rank.memory).value
    let own = rank.perExpert.value * active + Self.smoothMaximum(products, reading)
    return rank.fixed + Seconds(own / rank.speed)
  }

  /// The rate of products of so many rows per expert.
  func rate(rows: Double) -> FlopsPerSecond {
    let points = rank.efficiencies
    guard let next = points.firstIndex(where: { $0.rows >= rows }) else {
      return points.last?.rate ?? .infinity
    }
    guard next > 0 else { return points[0].rate }
    let rise = logRates[next] - logRates[next - 1]
    // Rates of zero or infinity have no middle.
    guard rise.isFinite else { return points[next - 1].rate }
    let share = (log(rows) - logRows[next - 1]) / (logRows[next] - logRows[next - 1])
    return FlopsPerSecond(exp(logRates[next - 1] + share * rise))
  }

  /// The best rate of products of up to so many rows per expert.
  public func bestRate(upTo rows: Double) -> FlopsPerSecond {
    rank.efficiencies.filter { $0.rows <= rows }.reduce(rate(rows: rows)) { max($0, $1.rate) }
  }

  /// (a^4 + b^4)^(1/4), without overflow.
  public static func smoothMaximum(_ a: Double, _ b: Double) -> Double {
    let (large, small) = (max(a, b), min(a, b))
    guard large > 0, large < .infinity else { return large }
    let square = (small / large) * (small / large)
    return large * (1 + square * square).squareRoot().squareRoot()
  }
}

extension RankParameters {
  /// The time to gather, scatter or sum rows of so many bytes.
  public func copyTime(_ bytes: Bytes) -> Seconds { bytes / copies / speed }

  /// The time to plan so many assignments.
  public func planTime(assignments: Double) -> Seconds { perAssignment * assignments / speed }
}
