// SPDX-License-Identifier: Apache-2.0
// epsim: straight pieces through times by message size, with breakpoints where they serve best.

internal import CostModel

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// t = n (a_i + b_i m) for n messages of m bytes in segment i, fitted to rows sorted by m.
///
/// For each number of segments the breakpoints with the least sum of squared relative errors are
/// found by dynamic programming (Bellman and Roth, "Curve fitting by segmented straight lines",
/// 1969); the number is the one with the least Bayesian information criterion of 3 parameters per
/// segment (Schwarz, 1978). Pieces need not meet: libraries change protocols with the size.
struct SegmentFit {
  /// Messages of equal size that passed one after the other, and their time.
  struct Row {
    /// m, bytes of a message.
    var size: Double
    /// n.
    var messages: Double
    /// Seconds, positive.
    var time: Double
  }

  struct Segment {
    /// Indices into the sorted rows.
    var rows: Range<Int>
    /// a, seconds of a message.
    var perMessage: Double
    /// b, seconds of a byte.
    var perByte: Double
  }

  /// More sizes than this take too long for every pair of breakpoints.
  static let maximumSizes = 500
  static let maximumSegments = 8
  /// Relative errors below this are noise that no further segment is worth.
  static let noiseFloor = 0.01

  /// Ascending by size.
  let rows: [Row]
  let segments: [Segment]

  /// - Parameters:
  ///   - leastPerByte: bound of b from below, 1 / (line rate).
  ///   - minimumSizes: different sizes that a segment holds at least, where there are as many.
  /// - Precondition: at least one row, at most ``maximumSizes`` sizes.
  init(_ rows: [Row], leastPerByte: Double, minimumSizes: Int) {
    let rows = rows.sorted { $0.size < $1.size }
    // [sizes + 1] index of the first row of each size; rows of one size stay together.
    let starts =
      rows.indices.filter { $0 == 0 || rows[$0 - 1].size < rows[$0].size } + [rows.count]
    let sizeCount = starts.count - 1
    precondition(
      (1...Self.maximumSizes).contains(sizeCount), "\(sizeCount) different sizes")
    self.rows = rows
    var running = NormalEquations(termCount: 2)
    var sums = [running]
    for size in 0..<sizeCount {
      for row in rows[starts[size]..<starts[size + 1]] { running.add(row) }
      sums.append(running)
    }
    let shortest = max(1, min(minimumSizes, sizeCount))
    func error(from first: Int, to end: Int) -> Double {
      (sums[end] - sums[first]).solution(least: [0, leastPerByte]).squaredError
    }
    // errors[first][end - first]: of one segment from size first up to, not including, size end.
    let errors = (0..<sizeCount).map { first in
      (0...sizeCount - first).map { $0 < shortest ? .infinity : error(from: first, to: first + $0) }
    }

    // leastError[end]: of the sizes below end in so many segments; chosen[..][end]: where the last
    // of them begins.
    var leastError = (0...sizeCount).map { $0 == 0 ? 0 : Double.infinity }
    var chosen: [[Int]] = []
    var best = (criterion: Double.infinity, count: 0)
    let rowCount = Double(rows.count)
    for count in 1...max(1, min(Self.maximumSegments, sizeCount / shortest)) {
      var next = Array(repeating: Double.infinity, count: sizeCount + 1)
      var begin = Array(repeating: 0, count: sizeCount + 1)
      for end in 1...sizeCount {
        for first in 0..<end {
          let total = leastError[first] + errors[first][end - first]
          if total < next[end] { (next[end], begin[end]) = (total, first) }
        }
      }
      chosen.append(begin)
      leastError = next
      let variance = next[sizeCount] / rowCount + Self.noiseFloor * Self.noiseFloor
      let criterion = rowCount * log(variance) + 3 * Double(count) * log(rowCount)
      if criterion < best.criterion { best = (criterion, count) }
    }

    var segments: [Segment] = []
    var end = sizeCount
    for count in stride(from: max(1, best.count), through: 1, by: -1) {
      let first = chosen[count - 1][end]
      let costs = (sums[end] - sums[first]).solution(least: [0, leastPerByte]).coefficients
      segments.append(
        Segment(rows: starts[first]..<starts[end], perMessage: costs[0], perByte: costs[1]))
      end = first
    }
    self.segments = segments.reversed()
  }

  /// The size from which a segment holds: between its smallest size and the one before it, where
  /// their ratio is the same; 0 for the first.
  func start(ofSegment index: Int) -> Double {
    guard index > 0 else { return 0 }
    let first = segments[index].rows.lowerBound
    let (below, above) = (rows[first - 1].size, rows[first].size)
    return below > 0 ? (below * above).squareRoot() : above / 2
  }

  /// What predictions take.
  var parameters: LinkParameters {
    LinkParameters(
      segments: segments.enumerated().map { index, segment in
        .init(
          from: Bytes(start(ofSegment: index)), latency: Seconds(segment.perMessage),
          bandwidth: BytesPerSecond(1 / segment.perByte))
      })
  }

  /// The costs of a segment's rows with other times, [2] per message and per byte.
  func costs(
    ofSegment index: Int, times: [Double], leastPerByte: Double, leavingOut size: Double? = nil
  ) -> [Double] {
    var system = NormalEquations(termCount: 2)
    for row in segments[index].rows where rows[row].size != size {
      system.add(Row(size: rows[row].size, messages: rows[row].messages, time: times[row]))
    }
    return system.solution(least: [0, leastPerByte]).coefficients
  }
}

extension NormalEquations {
  /// Adds the times of messages, errors relative to the time.
  fileprivate mutating func add(_ row: SegmentFit.Row) {
    add(terms: [row.messages, row.messages * row.size], value: row.time, scale: row.time)
  }
}
