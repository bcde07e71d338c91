// SPDX-License-Identifier: Apache-2.0
// epsim: random numbers that depend on where they are used, not on what was drawn before.

/// A random stream that is a pure function of a few numbers, such as (seed, step, layer, token).
///
/// Each stream is a SplitMix64 sequence whose start is hashed from the numbers; so any rank can
/// draw any token's stream without drawing the others'. The same on every platform.
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
public struct CounterRandom: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// The stream that belongs to four numbers; unused ones are 0.
  @inline(__always)
  public init(seed: UInt64, _ first: Int = 0, _ second: Int = 0, _ third: Int = 0) {
    var key = Self.mix(seed &+ 0x9e37_79b9_7f4a_7c15)
    key = Self.mix(key ^ UInt64(bitPattern: Int64(first)))
    key = Self.mix(key &+ 0x9e37_79b9_7f4a_7c15 ^ UInt64(bitPattern: Int64(second)))
    state = Self.mix(key &+ 0x9e37_79b9_7f4a_7c15 ^ UInt64(bitPattern: Int64(third)))
  }

  /// The next 64 random bits.
  @inline(__always)
  public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    return Self.mix(state)
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

  /// The finaliser of SplitMix64, a bijection of 64 bits.
  @inline(__always)
  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
