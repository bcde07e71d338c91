// SPDX-License-Identifier: Apache-2.0
// epsim: what `epsim calibrate --from` prints.

internal import CostModel
public import Projection

/// The segments of a fitted link with their intervals, and how well they fit.
public struct LinkFitReport {
  private let fit: LinkFit
  private let table: String

  /// - Parameter table: what the table is called.
  public init(_ fit: LinkFit, table: String) {
    self.fit = fit
    self.table = table
  }

  public var text: String {
    var segments = TextTable([
      ("messages\nfrom", .right), ("fitted to", .right), ("rows", .right), ("latency\nus", .right),
      ("95 % interval", .right), ("bandwidth\nGB/s", .right), ("95 % interval", .right),
    ])
    for segment in fit.segments {
      segments.add([
        Quantity.bytes(segment.from.value),
        Self.range(segment.measured, Quantity.bytes) { $0.value }, "\(segment.rowCount)",
        Quantity.significant(segment.latency.microseconds),
        Self.range(segment.latencyInterval, Quantity.significant) { $0.microseconds },
        Self.rate(segment.bandwidth) + (segment.isAtLineRate ? "*" : " "),
        Self.range(segment.bandwidthInterval, { Self.rate(BytesPerSecond($0)) }) { $0.value },
      ])
    }
    var lines = [
      Paragraph(
        "\(table): time = messages x latency + bytes / bandwidth, by size of the message", indent: 2
      ).text,
      "", segments.text, "",
    ]
    if fit.segments.contains(where: \.isAtLineRate) {
      lines.append("* = the line rate of \(Self.rate(fit.lineRate)) GB/s, not the rows")
    }
    if fit.segments.contains(where: { !$0.bandwidth.value.isFinite }) {
      lines.append("no limit = these times do not grow with bytes")
    }
    lines.append(
      Paragraph(
        "The model \(fit.verdict); each row by a fit that has not seen its size. Beyond "
          + Self.range(fit.measured, Quantity.bytes) { $0.value }
          + " a prediction is an extrapolation.", indent: 2
      ).text)
    return lines.joined(separator: "\n")
  }

  private static func range<Value>(
    _ range: ClosedRange<Value>, _ text: (Double) -> String, _ value: (Value) -> Double
  ) -> String {
    let (first, last) = (text(value(range.lowerBound)), text(value(range.upperBound)))
    return first == last ? first : "\(first) to \(last)"
  }

  private static func rate(_ rate: BytesPerSecond) -> String {
    rate.value.isFinite ? Quantity.significant(rate.value / 1e9) : "no limit"
  }

  /// The figures as JSON; an infinite bandwidth is the text "inf".
  public var json: String {
    get throws {
      try RecordCoding.text(
        Output(
          table: table, lineRate: fit.lineRate.value.isFinite ? fit.lineRate.value : nil,
          segments: fit.segments.map { Output.Segment($0) },
          meanAbsoluteError: fit.verdict.meanAbsoluteError, largestError: fit.verdict.largestError,
          judgedRows: fit.verdict.rowCount, isGood: fit.verdict.isGood))
    }
  }

  private struct Output: Codable {
    /// In bytes, seconds and bytes per second.
    struct Segment: Codable {
      var from: Double
      var measured: [Double]
      var rows: Int
      var latency: Double
      var latencyCi95: [Double]
      var bandwidth: Double
      var bandwidthCi95: [Double]
      var isAtLineRate: Bool

      init(_ segment: LinkFit.Segment) {
        from = segment.from.value
        measured = [segment.measured.lowerBound.value, segment.measured.upperBound.value]
        rows = segment.rowCount
        latency = segment.latency.value
        latencyCi95 = [
          segment.latencyInterval.lowerBound.value, segment.latencyInterval.upperBound.value,
        ]
        bandwidth = segment.bandwidth.value
        bandwidthCi95 = [
          segment.bandwidthInterval.lowerBound.value, segment.bandwidthInterval.upperBound.value,
        ]
        isAtLineRate = segment.isAtLineRate
      }
    }
    var schema = "epsim-link/1"
    var table: String
    @ExplicitNull var lineRate: Double?
    var segments: [Segment]
    var meanAbsoluteError: Double
    var largestError: Double
    var judgedRows: Int
    var isGood: Bool
  }
}
