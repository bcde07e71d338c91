// SPDX-License-Identifier: Apache-2.0
// epsim: parameters of a link from measured times of messages.

public import CostModel
internal import MoE

/// Latency and bandwidth of a link by message size, with intervals and a verdict.
public struct LinkFit: Sendable {
  /// Messages of equal size that passed a port one after the other.
  public struct Row: Sendable, Hashable {
    /// Of one message.
    public var size: Bytes
    public var messages: Double
    /// Of all of them.
    public var time: Seconds

    public init(size: Bytes, messages: Double = 1, time: Seconds) {
      self.size = size
      self.messages = messages
      self.time = time
    }
  }

  /// One straight piece, with 95 % intervals (``ResidualBootstrap``).
  public struct Segment: Sendable, Hashable {
    /// The smallest message that it is used for.
    public var from: Bytes
    /// The sizes that it was fitted to.
    public var measured: ClosedRange<Bytes>
    public var rowCount: Int
    public var latency: Seconds
    public var latencyInterval: ClosedRange<Seconds>
    /// Infinite where times do not grow with bytes and no line rate is given.
    public var bandwidth: BytesPerSecond
    public var bandwidthInterval: ClosedRange<BytesPerSecond>
    /// Whether the line rate, not the rows, sets the bandwidth.
    public var isAtLineRate: Bool
  }

  /// A mean error up to which a fit is called good: what the step's phases are predicted within.
  public static let acceptedError = 0.15
  /// The most rows that a fit takes.
  public static let maximumRows = 20_000

  /// Ascending by size.
  public let segments: [Segment]
  /// What predictions take.
  public let parameters: LinkParameters
  /// What was given as the limit of every bandwidth.
  public let lineRate: BytesPerSecond
  /// Of every row, predicted by the fit without the rows of its size.
  public let verdict: FitVerdict

  /// The sizes between which a prediction is no extrapolation.
  public var measured: ClosedRange<Bytes> {
    segments[0].measured.lowerBound...segments[segments.count - 1].measured.upperBound
  }

  /// Fits segments to rows.
  ///
  /// - Parameters:
  ///   - name: what the error sentence calls the rows.
  ///   - lineRate: no fitted bandwidth exceeds it; rows are refused when their largest messages,
  ///     where bytes at the line rate are half of the time at least, are quicker than the line
  ///     beyond the interval.
  ///   - minimumSizes: different sizes that a segment holds at least.
  ///   - acceptedError: mean error up to which the verdict is good.
  ///   - seed: of the intervals.
  /// - Throws: `InputError` when there are no rows, too many, rows out of range, or rows quicker
  ///   than the line.
  public init(
    _ rows: [Row], name: String, lineRate: BytesPerSecond = .infinity, minimumSizes: Int = 3,
    acceptedError: Double = Self.acceptedError, seed: UInt64 = 1
  ) throws {
    try Self.check(rows, name: name, lineRate: lineRate)
    let leastPerByte = 1 / lineRate.value
    if leastPerByte > 0 {
      // On pieces of its own: a bound moves the breakpoints.
      try Self.refuseQuickerRows(
        SegmentFit(rows, leastPerByte: 0, minimumSizes: minimumSizes), name: name,
        lineRate: lineRate, seed: seed)
    }
    let fit = SegmentFit(rows, leastPerByte: leastPerByte, minimumSizes: minimumSizes)
    let times = fit.rows.map(\.time)

    var segments: [Segment] = []
    var errors: [Double] = []
    for (index, segment) in fit.segments.enumerated() {
      let intervals = Self.intervals(
        fit, index, costs: [segment.perMessage, segment.perByte], times,
        leastPerByte: leastPerByte, seed: seed)
      let rows = segment.rows
      segments.append(
        Segment(
          from: Bytes(fit.start(ofSegment: index)),
          measured: Bytes(
            fit.rows[rows.lowerBound].size)...Bytes(fit.rows[rows.upperBound - 1].size),
          rowCount: rows.count, latency: Seconds(segment.perMessage),
          latencyInterval: Seconds(intervals[0].lowerBound)...Seconds(intervals[0].upperBound),
          bandwidth: BytesPerSecond(1 / segment.perByte),
          bandwidthInterval: BytesPerSecond(
            1 / intervals[1].upperBound)...BytesPerSecond(1 / intervals[1].lowerBound),
          isAtLineRate: leastPerByte > 0 && segment.perByte <= leastPerByte * (1 + 1e-9)))
      errors += Self.errorsLeavingOut(fit, index, times, leastPerByte: leastPerByte)
    }
    self.segments = segments
    parameters = fit.parameters
    self.lineRate = lineRate
    verdict = FitVerdict(errors: errors, bound: acceptedError)
  }

  /// Fits a CSV table with the columns `bytes` (of one message), `us` (of all of them) and, where
  /// several equal messages follow one another, `peers` (how many; 1 where it is absent).
  ///
  /// - Throws: `InputError` as for rows, and when the file is not such a table.
  public init(
    csv bytes: [UInt8], name: String, lineRate: BytesPerSecond = .infinity, minimumSizes: Int = 3,
    acceptedError: Double = Self.acceptedError, seed: UInt64 = 1
  ) throws {
    let table = try PublishedTable(bytes: bytes, name: name)
    let hasPeers = table.columns.contains("peers")
    let rows = try (0..<table.rowCount).map { row in
      Row(
        size: Bytes(try table.number(row, "bytes", accepted: Self.acceptedBytes)),
        messages: hasPeers ? try table.number(row, "peers", accepted: Self.acceptedMessages) : 1,
        time: .microseconds(try table.number(row, "us", accepted: Self.acceptedMicroseconds)))
    }
    try self.init(
      rows, name: name, lineRate: lineRate, minimumSizes: minimumSizes,
      acceptedError: acceptedError, seed: seed)
  }

  private static let acceptedBytes = 0...1e15
  private static let acceptedMessages = 1...1e9
  private static let acceptedMicroseconds = 1e-6...1e12

  private static func check(_ rows: [Row], name: String, lineRate: BytesPerSecond) throws {
    guard lineRate.value > 0 else {
      throw InputError("\(name): a line rate of \(lineRate.value) B/s, accepted is more than 0")
    }
    guard (1...maximumRows).contains(rows.count) else {
      throw InputError("\(name): \(rows.count) rows, accepted are 1 to \(maximumRows)")
    }
    for (index, row) in rows.enumerated() {
      guard acceptedBytes.contains(row.size.value), acceptedMessages.contains(row.messages),
        acceptedMicroseconds.contains(row.time.microseconds)
      else {
        throw InputError(
          "\(name): row \(index + 1) has \(row.messages) messages of \(row.size.value) B in "
            + "\(row.time.microseconds) us, accepted are 1 to 1e9 messages of 0 to 1e15 B in "
            + "1e-6 to 1e12 us")
      }
    }
    let sizes = Set(rows.map(\.size)).count
    guard sizes <= SegmentFit.maximumSizes else {
      throw InputError(
        "\(name): \(sizes) different sizes, accepted are \(SegmentFit.maximumSizes) at most")
    }
  }

  /// Throws where the largest messages, fitted freely, beat the line by more than chance.
  private static func refuseQuickerRows(
    _ fit: SegmentFit, name: String, lineRate: BytesPerSecond, seed: UInt64
  ) throws {
    let (last, largest) = (fit.segments.count - 1, fit.rows[fit.rows.count - 1])
    // Where start-up is most of the time, the time does not tell the bandwidth.
    guard 2 * largest.messages * largest.size / lineRate.value >= largest.time else { return }
    let times = fit.rows.map(\.time)
    let costs = fit.costs(ofSegment: last, times: times, leastPerByte: 0)
    let perByte = intervals(fit, last, costs: costs, times, leastPerByte: 0, seed: seed)[1]
    guard perByte.upperBound * lineRate.value >= 1 else {
      let gigabytes = { (rate: Double) in "\((rate / 1e7).rounded() / 100) GB/s" }
      throw InputError(
        "\(name): messages from \(fit.start(ofSegment: last).rounded()) B on move at "
          + "\(gigabytes(1 / costs[1])), accepted is at most the line rate of "
          + gigabytes(lineRate.value))
    }
  }

  private static func intervals(
    _ fit: SegmentFit, _ index: Int, costs: [Double], _ times: [Double], leastPerByte: Double,
    seed: UInt64
  ) -> [ClosedRange<Double>] {
    let rows = fit.segments[index].rows
    let predicted = rows.map { fit.rows[$0].messages * (costs[0] + costs[1] * fit.rows[$0].size) }
    var drawn = times
    return ResidualBootstrap.intervals(
      predicted: predicted, measured: Array(times[rows]), estimate: costs,
      seed: seed &+ UInt64(index)
    ) { values in
      drawn.replaceSubrange(rows, with: values)
      return fit.costs(ofSegment: index, times: drawn, leastPerByte: leastPerByte)
    }
  }

  /// predicted / measured - 1 of each row of a segment, by a fit that has not seen its size.
  private static func errorsLeavingOut(
    _ fit: SegmentFit, _ index: Int, _ times: [Double], leastPerByte: Double
  ) -> [Double] {
    let rows = fit.segments[index].rows
    let sizes = Set(rows.map { fit.rows[$0].size })
    guard sizes.count > 1 else { return [] }
    let costs = Dictionary(
      uniqueKeysWithValues: sizes.map {
        ($0, fit.costs(ofSegment: index, times: times, leastPerByte: leastPerByte, leavingOut: $0))
      })
    return rows.map { row in
      let (size, costs) = (fit.rows[row].size, costs[fit.rows[row].size]!)
      return fit.rows[row].messages * (costs[0] + costs[1] * size) / times[row] - 1
    }
  }
}

extension LinkFit: CustomStringConvertible {
  /// The verdict, and where the line rate sets the bandwidth.
  public var description: String {
    let bounded = segments.filter(\.isAtLineRate).map { segment in
      "\(segment.measured.lowerBound.value) to \(segment.measured.upperBound.value) B"
    }
    guard !bounded.isEmpty else { return verdict.description }
    return "\(verdict); the line rate sets the bandwidth of messages of "
      + bounded.joined(separator: ", ")
  }
}

extension SegmentFit {
  init(_ rows: [LinkFit.Row], leastPerByte: Double, minimumSizes: Int) {
    self.init(
      rows.map { Row(size: $0.size.value, messages: $0.messages, time: $0.time.value) },
      leastPerByte: leastPerByte, minimumSizes: minimumSizes)
  }
}
