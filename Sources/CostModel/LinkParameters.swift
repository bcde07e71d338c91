// SPDX-License-Identifier: Apache-2.0
// epsim: what a port of a link level costs.

/// Start-up time and bandwidth of one direction of a rank's port, by the size of a message.
///
/// t(m) = latency_i + m / bandwidth_i for a message of m bytes in segment i. Libraries change
/// protocols with the size, so the pieces need not meet. All messages of a port share it: they
/// follow one another.
public struct LinkParameters: Sendable, Hashable {
  /// Messages of some size and more, up to the next segment.
  public struct Segment: Sendable, Hashable {
    /// The smallest message of the segment.
    public var from: Bytes
    public var latency: Seconds
    public var bandwidth: BytesPerSecond

    public init(from: Bytes, latency: Seconds, bandwidth: BytesPerSecond) {
      self.from = from
      self.latency = latency
      self.bandwidth = bandwidth
    }
  }

  /// Ascending, the first from 0 bytes.
  public let segments: [Segment]

  /// - Precondition: at least one segment; the first from 0 bytes; ascending.
  public init(segments: [Segment]) {
    precondition(segments.first?.from == .zero, "the first segment starts at 0 bytes")
    precondition(
      zip(segments, segments.dropFirst()).allSatisfy { $0.from < $1.from }, "segments ascend")
    self.segments = segments
  }

  /// One latency and bandwidth for all sizes.
  public init(latency: Seconds, bandwidth: BytesPerSecond) {
    self.init(segments: [Segment(from: .zero, latency: latency, bandwidth: bandwidth)])
  }

  /// The segment that a message falls into.
  public func segment(ofMessage size: Bytes) -> Segment {
    segments.last { $0.from <= size } ?? segments[0]
  }

  /// The time of messages of equal size that pass one after the other; none without messages.
  public func time(messages: Double, bytes: Bytes) -> Seconds {
    guard messages > 0 else { return .zero }
    let segment = segment(ofMessage: bytes / messages)
    return segment.latency * messages + bytes / segment.bandwidth
  }
}
