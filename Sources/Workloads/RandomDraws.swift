// SPDX-License-Identifier: Apache-2.0
// epsim: random numbers drawn one after another from a stream of their own.

internal import MoE

/// A SplitMix64 sequence, one of many that belong to a key.
///
/// Each (seed, step, layer, token) has its own sequence, so any rank can make any token's choices
/// without making the others'. The same on every platform.
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
public struct RandomDraws: RandomNumberGenerator, Sendable {
  private static let golden: UInt64 = 0x9E37_79B9_7F4A_7C15

  private var state: UInt64

  /// The sequence with this number among those of a key.
  @inline(__always)
  public init(key: UInt64, number: Int) {
    // Mixed, so that the sequences of neighbouring numbers are not shifts of each other.
    state = Self.mix(key &+ UInt64(bitPattern: Int64(number)) &* Self.golden)
  }

  /// The next 64 random bits.
  @inline(__always)
  public mutating func next() -> UInt64 {
    state &+= Self.golden
    return Self.mix(state)
  }

  @inline(__always)
  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// A number in `0 ..< bound`; the bias is below bound / 2^64.
  @inline(__always)
  public mutating func below(_ bound: Int) -> Int {
    Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// A number in [0, 1), a multiple of 2^-53.
  @inline(__always)
  public mutating func unit() -> Double {
    Double(next() >> 11) * 0x1p-53
  }

  /// Shuffles in place (Fisher and Yates), from the last element down.
  public mutating func shuffle<Element>(_ elements: inout [Element]) {
    for last in stride(from: elements.count - 1, to: 0, by: -1) {
      elements.swapAt(last, below(last + 1))
    }
  }
}

/// The key of the draws of each (step, layer); whole workloads differ by seed and purpose.
struct RoutingKeys: Sendable {
  private let stream: CounterRandom

  init(seed: UInt64) {
    // The second number keeps this stream apart from other uses of the seed.
    stream = CounterRandom(seed: seed, 0x2017)
  }

  func key(step: Int, layer: Int) -> UInt64 {
    stream.bits(at: UInt64(step) << 32 | UInt64(layer))
  }
}
