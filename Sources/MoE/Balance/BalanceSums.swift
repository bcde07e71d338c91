// SPDX-License-Identifier: Apache-2.0
// epsim: the sums that balance losses are made of, which ranks and layers can add up.

/// Sums over tokens from which every balance loss and signal of a layer follows.
///
/// Tokens belong to segments: the sequences of a batch, or its micro-batches. Each segment has
/// `2 + 3 E + D` numbers: tokens; squared logsumexp; per expert the assignments, the probability
/// and the routing weight; per device the tokens that are sent to it. ``values`` of equal shape are
/// merged by addition, so that one all-reduce of it gives every rank the sums of all.
/// Devices hold consecutive experts: expert e is on device floor(e D / E).
public struct BalanceSums: Sendable, Equatable {
  /// The most numbers that are accepted: 1 GiB.
  public static let maximumCount = 1 << 27

  /// E, the experts.
  public let expertCount: Int
  /// D, the devices that the experts are dealt to for the device-level losses.
  public let deviceCount: Int
  /// Sequences, micro-batches, or 1.
  public let segmentCount: Int
  /// [segments, 2 + 3 E + D] the sums.
  public internal(set) var values: [Double]

  /// Sums of no token.
  ///
  /// - Throws: ``InputError`` where a number is not positive, D exceeds E, or the sums would not
  ///   fit ``maximumCount``.
  public init(expertCount: Int, deviceCount: Int = 1, segmentCount: Int = 1) throws {
    guard expertCount >= 1 && expertCount <= Self.maximumCount / 8 else {
      throw InputError(
        "\(expertCount) experts cannot be summed up, accepted are 1 to \(Self.maximumCount / 8)")
    }
    guard deviceCount >= 1 && deviceCount <= expertCount else {
      throw InputError("\(deviceCount) devices, accepted are 1 to \(expertCount), one per expert")
    }
    let most = Self.maximumCount / (2 + 3 * expertCount + deviceCount)
    guard segmentCount >= 1 && segmentCount <= most else {
      throw InputError("\(segmentCount) sequences, accepted are 1 to \(most)")
    }
    self.expertCount = expertCount
    self.deviceCount = deviceCount
    self.segmentCount = segmentCount
    values = Array(repeating: 0, count: segmentCount * (2 + 3 * expertCount + deviceCount))
  }

  /// Numbers of a segment.
  var stride: Int { 2 + 3 * expertCount + deviceCount }

  /// Adds the sums of other tokens: another rank, layer or batch.
  /// - Precondition: the same shape.
  public mutating func add(_ other: BalanceSums) {
    precondition(
      expertCount == other.expertCount && deviceCount == other.deviceCount,
      "sums of \(expertCount) and of \(other.expertCount) experts")
    add(other.values)
  }

  /// Adds ``values`` of other tokens.
  /// - Precondition: the same number of them.
  public mutating func add(_ other: [Double]) {
    precondition(other.count == values.count, "\(other.count) sums, not \(values.count)")
    for index in values.indices { values[index] += other[index] }
  }

  /// Replaces the sums, by what an all-reduce gave.
  /// - Precondition: the same number of them.
  public mutating func replace(_ other: [Double]) {
    precondition(other.count == values.count, "\(other.count) sums, not \(values.count)")
    values = other
  }

  /// Forgets all tokens.
  public mutating func clear() {
    for index in values.indices { values[index] = 0 }
  }

  /// The sums of one segment.
  public func segment(_ index: Int) -> BalanceStatistics {
    BalanceStatistics(
      values[index * stride..<(index + 1) * stride], expertCount: expertCount,
      deviceCount: deviceCount)
  }

  /// The sums of all segments together.
  public var total: BalanceStatistics {
    var sums = Array(values[..<stride])
    for segment in 1..<max(segmentCount, 1) {
      for index in 0..<stride { sums[index] += values[segment * stride + index] }
    }
    return BalanceStatistics(sums[...], expertCount: expertCount, deviceCount: deviceCount)
  }
}
