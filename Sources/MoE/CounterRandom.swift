// SPDX-License-Identifier: Apache-2.0
// epsim: random numbers that are a pure function of a key and a position.

/// A counter-based generator: value `i` of stream `key` needs no state and no predecessor.
///
/// Weights and inputs come from it, so every rank computes exactly the numbers that it needs,
/// whatever the number of ranks.
/// Source: the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
public struct CounterRandom: Sendable {
  /// Identifies the stream.
  public let key: UInt64

  /// The stream that belongs to a seed and any number of coordinates (layer, expert, ...).
  public init(seed: UInt64, _ coordinates: UInt64...) {
    var key = Self.mix(seed)
    for coordinate in coordinates { key = Self.mix(key ^ Self.mix(coordinate &+ Self.golden)) }
    self.key = key
  }

  static let golden: UInt64 = 0x9E37_79B9_7F4A_7C15

  @inline(__always)
  static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// The 64 random bits at `position`.
  @inline(__always)
  public func bits(at position: UInt64) -> UInt64 {
    Self.mix(key &+ position &* Self.golden)
  }

  /// A uniform value in [0, 1) with 53 random bits.
  @inline(__always)
  public func unit(at position: UInt64) -> Double {
    Double(bits(at: position) >> 11) * 0x1p-53
  }

  /// Fills `values` with uniform values in [-bound, bound), 24 random bits each.
  public func fillUniform(_ values: UnsafeMutableBufferPointer<Float>, bound: Float) {
    let scale = bound * 0x1p-23
    @inline(__always) func value(_ bits: UInt64) -> Float {
      Float(Int32(truncatingIfNeeded: bits & 0xFF_FFFF) - 0x80_0000) * scale
    }
    // One hash gives two values: 2 x 24 bits.
    for pair in 0..<values.count / 2 {
      let bits = bits(at: UInt64(truncatingIfNeeded: pair))
      values[2 * pair] = value(bits)
      values[2 * pair + 1] = value(bits >> 32)
    }
    if values.count % 2 == 1 {
      values[values.count - 1] = value(bits(at: UInt64(truncatingIfNeeded: values.count / 2)))
    }
  }
}
