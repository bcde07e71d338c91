// SPDX-License-Identifier: Apache-2.0
// epsim: the times of one rank on the root's clock, with their error.

/// Maps the clock of one rank to the clock of rank 0, by linear drift between anchors.
///
/// Ranks of one clock domain have equal anchors: between two of them times compare exactly, to the
/// granularity, whatever the error against the root is.
public struct ClockAlignment: Sendable, Equatable {
  /// The measured offsets, in the order of their times; none where the rank reads the root's clock.
  public let anchors: [ClockAnchor]
  /// The smallest step of the clock, nanoseconds.
  public let granularity: Int64
  /// The largest distance of an inner anchor from the line through its two neighbours,
  /// nanoseconds: how far the drift is from linear. Zero without inner anchors.
  public let residual: Int64

  /// - Precondition: the times of `anchors` ascend strictly; `granularity` is not negative.
  public init(anchors: [ClockAnchor], granularity: Int64) {
    precondition(Self.ascend(anchors), "times of anchors do not ascend: \(anchors)")
    precondition(granularity >= 0, "the granularity is \(granularity) ns")
    self.anchors = anchors
    self.granularity = granularity
    residual =
      anchors.indices.dropFirst().dropLast().map { index in
        let line = Self.interpolate(
          anchors[index - 1], anchors[index + 1], at: anchors[index].localTime)
        return abs(anchors[index].offset - line)
      }.max() ?? 0
  }

  /// Whether linear drift was checked by at least one inner anchor; true where there is no drift
  /// because the rank reads the root's clock.
  public var isVerified: Bool { anchors.isEmpty || anchors.count >= 3 }

  /// The drift from the first to the last anchor, nanoseconds per millisecond of local time
  /// (parts per million), positive where the root's clock is faster; nil with fewer than two.
  public var driftPPM: Double? {
    guard anchors.count >= 2 else { return nil }
    return Self.slope(anchors[0], anchors[anchors.count - 1]) * 1e6
  }

  /// The time of the root's clock when the local one shows `local`, both nanoseconds.
  public func aligned(_ local: Int64) -> Int64 { local + offset(at: local) }

  /// Root's clock minus local clock at a local time, nanoseconds.
  ///
  /// Before the first and after the last anchor the nearest two give the drift, kept within
  /// ``OffsetEnvelope/assumedDrift``: close anchors know it poorly.
  public func offset(at local: Int64) -> Int64 {
    guard let (before, after) = neighbours(of: local) else { return anchors.first?.offset ?? 0 }
    if before.localTime <= local && local <= after.localTime {
      return Self.interpolate(before, after, at: local)
    }
    let end = local < before.localTime ? before : after
    let limit = OffsetEnvelope.assumedDrift
    let drift = min(max(Self.slope(before, after), -limit), limit)
    return end.offset + Int64((drift * Double(local - end.localTime)).rounded())
  }

  /// The largest error of ``aligned(_:)`` at a local time, nanoseconds.
  ///
  /// Between anchors the larger bound of the two, the residual and the granularity. Outside them it
  /// grows with the distance: by what the two bounds leave open of the drift, at most by twice the
  /// assumed drift.
  public func error(at local: Int64) -> Int64 {
    let fixed = residual + granularity
    guard let first = anchors.first else { return fixed }
    let drift = OffsetEnvelope.assumedDrift
    guard let (before, after) = neighbours(of: local) else {
      return first.bound + fixed + Self.scaled(abs(local - first.localTime), by: drift)
    }
    if before.localTime <= local && local <= after.localTime {
      return max(before.bound, after.bound) + fixed
    }
    let end = local < before.localTime ? before : after
    let open =
      Double(before.bound + after.bound) / Double(after.localTime - before.localTime)
    return end.bound + fixed
      + Self.scaled(abs(local - end.localTime), by: min(open, 2 * drift))
  }

  /// The largest error from the first to the last anchor, nanoseconds: the largest bound, the
  /// residual and the granularity.
  public var maximumError: Int64 {
    (anchors.map(\.bound).max() ?? 0) + residual + granularity
  }

  /// The two anchors around a local time, or the two nearest; nil with fewer than two.
  private func neighbours(of local: Int64) -> (ClockAnchor, ClockAnchor)? {
    guard anchors.count >= 2 else { return nil }
    // The first index within 1 ... count - 1 whose anchor is not before `local`.
    var (low, high) = (1, anchors.count - 1)
    while low < high {
      let middle = (low + high) / 2
      if anchors[middle].localTime < local { low = middle + 1 } else { high = middle }
    }
    return (anchors[low - 1], anchors[low])
  }

  // Offsets are added as integers; a Double holds only differences of offsets and of times.

  private static func slope(_ first: ClockAnchor, _ second: ClockAnchor) -> Double {
    Double(second.offset - first.offset) / Double(second.localTime - first.localTime)
  }

  private static func interpolate(
    _ first: ClockAnchor, _ second: ClockAnchor, at local: Int64
  ) -> Int64 {
    first.offset + Int64((slope(first, second) * Double(local - first.localTime)).rounded())
  }

  private static func scaled(_ distance: Int64, by factor: Double) -> Int64 {
    Int64((Double(distance) * factor).rounded(.up))
  }

  private static func ascend(_ anchors: [ClockAnchor]) -> Bool {
    zip(anchors, anchors.dropFirst()).allSatisfy { $0.localTime < $1.localTime }
  }
}

extension ClockAlignment: Codable {
  private enum CodingKeys: CodingKey {
    case anchors, granularity
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let anchors = try container.decode([ClockAnchor].self, forKey: .anchors)
    let granularity = try container.decode(Int64.self, forKey: .granularity)
    guard Self.ascend(anchors), anchors.allSatisfy({ $0.bound >= 0 }), granularity >= 0 else {
      throw DecodingError.dataCorruptedError(
        forKey: .anchors, in: container,
        debugDescription: "times of clock anchors must ascend, bounds must not be negative")
    }
    self.init(anchors: anchors, granularity: granularity)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(anchors, forKey: .anchors)
    try container.encode(granularity, forKey: .granularity)
  }
}
