// SPDX-License-Identifier: Apache-2.0
// epsim: numbers with a physical unit that the compiler checks.

/// What a ``Measure`` is a measure of.
public protocol PhysicalDimension: Sendable {}

public enum TimeDimension: PhysicalDimension {}
public enum DataDimension: PhysicalDimension {}
public enum DataRateDimension: PhysicalDimension {}
public enum WorkDimension: PhysicalDimension {}
public enum WorkRateDimension: PhysicalDimension {}

public typealias Seconds = Measure<TimeDimension>
public typealias Bytes = Measure<DataDimension>
public typealias BytesPerSecond = Measure<DataRateDimension>
/// Floating-point operations; a multiply-add is two.
public typealias Flops = Measure<WorkDimension>
public typealias FlopsPerSecond = Measure<WorkRateDimension>

/// A number in the base unit of its dimension: s, B, B/s, flop, flop/s.
///
/// Prefixes are decimal: 1 GB is 10^9 B, 1 us 10^-6 s.
public struct Measure<Dimension: PhysicalDimension>: Sendable, Hashable, Comparable,
  AdditiveArithmetic
{
  public var value: Double

  public init(_ value: Double) { self.value = value }

  public static var zero: Self { Self(0) }
  public static var infinity: Self { Self(.infinity) }

  public static func < (left: Self, right: Self) -> Bool { left.value < right.value }
  public static func + (left: Self, right: Self) -> Self { Self(left.value + right.value) }
  public static func - (left: Self, right: Self) -> Self { Self(left.value - right.value) }
  public static func * (left: Self, right: Double) -> Self { Self(left.value * right) }
  public static func * (left: Double, right: Self) -> Self { Self(left * right.value) }
  public static func / (left: Self, right: Double) -> Self { Self(left.value / right) }
  /// How many times the other.
  public static func / (left: Self, right: Self) -> Double { left.value / right.value }
}

extension Seconds {
  public static func microseconds(_ value: Double) -> Self { Self(value * 1e-6) }
  public var microseconds: Double { value * 1e6 }
}

extension Bytes {
  /// The time to move them; none for no bytes, whatever the rate.
  public static func / (bytes: Bytes, rate: BytesPerSecond) -> Seconds {
    Seconds(bytes.value == 0 ? 0 : bytes.value / rate.value)
  }
}

extension BytesPerSecond {
  public static func gigabytes(_ value: Double) -> Self { Self(value * 1e9) }
}

extension Flops {
  /// The time to do them; none for no work, whatever the rate.
  public static func / (work: Flops, rate: FlopsPerSecond) -> Seconds {
    Seconds(work.value == 0 ? 0 : work.value / rate.value)
  }
}
