// SPDX-License-Identifier: Apache-2.0
// epsim: draws of distinct experts in proportion to their popularity.

/// Rows of popularities, and the successive draws from them: each draw takes an expert with
/// probability proportional to its popularity among those not drawn yet.
///
/// The law is that of Plackett and Luce; for K = 1 the marginals are the popularities, for larger
/// K popular experts saturate at one assignment per token.
struct PopularityTable: Sendable {
  /// The most entries of a table: it stays below 300 MB.
  static let maximumCount = 1 << 24

  /// E, the columns.
  let expertCount: Int
  /// [rows, E] popularity.
  private let popularity: [Double]
  /// [rows, E] share of a row's popularity held by the entries up to and including each; the last
  /// is 1.
  private let cumulative: [Double]

  /// - Precondition: [rows, E] finite popularities, not negative, with a positive sum in each row.
  init(popularity: [Double], expertCount: Int) {
    precondition(
      expertCount >= 1 && popularity.count % expertCount == 0,
      "\(popularity.count) popularities of \(expertCount) experts")
    self.expertCount = expertCount
    self.popularity = popularity
    var cumulative = popularity
    for start in Swift.stride(from: 0, to: popularity.count, by: expertCount) {
      var sum = 0.0
      for index in start..<start + expertCount {
        sum += popularity[index]
        cumulative[index] = sum
      }
      precondition(sum > 0 && sum.isFinite, "popularities that sum to \(sum)")
      for index in start..<start + expertCount { cumulative[index] /= sum }
    }
    self.cumulative = cumulative
  }

  /// Draws as many distinct entries of a row as there are places. Does not allocate.
  ///
  /// Drawing from all and rejecting what is taken has the law of drawing among the rest. Steep
  /// laws would reject for long, so after a few tries the rest is walked through instead.
  @inline(__always)
  func draw(
    row: Int, into chosen: UnsafeMutableBufferPointer<Int32>, _ random: inout RandomDraws
  ) {
    cumulative.withUnsafeBufferPointer { cumulative in
      let shares = UnsafeBufferPointer(
        rebasing: cumulative[row * expertCount..<(row + 1) * expertCount])
      for k in 0..<chosen.count {
        let taken = UnsafeMutableBufferPointer(rebasing: chosen[..<k])
        var tries = 0
        var entry = Self.entry(at: random.unit(), in: shares)
        while tries < 8, taken.contains(entry) {
          entry = Self.entry(at: random.unit(), in: shares)
          tries += 1
        }
        if taken.contains(entry) {
          entry = entryAmongRest(row: row, at: random.unit(), except: taken)
        }
        chosen[k] = entry
      }
    }
  }

  /// The first entry whose cumulative share exceeds `share`.
  @inline(__always)
  private static func entry(at share: Double, in cumulative: UnsafeBufferPointer<Double>) -> Int32 {
    var (low, high) = (0, cumulative.count - 1)
    while low < high {
      let middle = (low + high) / 2
      if cumulative[middle] > share { high = middle } else { low = middle + 1 }
    }
    return Int32(low)
  }

  private func entryAmongRest(
    row: Int, at share: Double, except taken: UnsafeMutableBufferPointer<Int32>
  ) -> Int32 {
    popularity.withUnsafeBufferPointer { all in
      let popularity = UnsafeBufferPointer(
        rebasing: all[row * expertCount..<(row + 1) * expertCount])
      var rest = 0.0
      for entry in 0..<popularity.count where !taken.contains(Int32(entry)) {
        rest += popularity[entry]
      }
      var passed = 0.0
      var last: Int32 = 0
      for entry in 0..<popularity.count where !taken.contains(Int32(entry)) {
        passed += popularity[entry]
        last = Int32(entry)
        if passed > share * rest { break }
      }
      return last
    }
  }
}
