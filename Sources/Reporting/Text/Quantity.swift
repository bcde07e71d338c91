// SPDX-License-Identifier: Apache-2.0
// epsim: numbers with units, as people read them.

internal import Foundation

/// Formats numbers for tables. A column keeps one unit, so that its cells can be compared.
public enum Quantity {
  /// A unit of time for a column, chosen by its largest value.
  public struct TimeUnit: Sendable {
    /// What the heading says.
    public let name: String
    private let microseconds: Double

    /// The unit in which `microseconds` reads well.
    public init(fitting microseconds: Double) {
      switch microseconds {
      case 10_000_000...: (name, self.microseconds) = ("s", 1e6)
      case 10_000...: (name, self.microseconds) = ("ms", 1000)
      default: (name, self.microseconds) = ("us", 1)
      }
    }

    /// A time in this unit.
    public func text(_ value: Double) -> String { significant(value / microseconds) }

    /// A time with its unit.
    public func withUnit(_ value: Double) -> String { text(value) + " " + name }
  }

  /// At least three significant digits, no exponent: 0.0123, 1.23, 12.3, 123, 1234.
  public static func significant(_ value: Double) -> String {
    guard value.isFinite else { return "\(value)" }
    if value == 0 { return "0" }
    let digits = 2 - Int(floor(log10(abs(value))))
    return String(format: "%.\(min(max(digits, 0), 6))f", value)
  }

  /// A fixed number of decimals.
  public static func fixed(_ value: Double, _ decimals: Int) -> String {
    String(format: "%.\(decimals)f", value)
  }

  /// Two significant digits with an exponent: "1.2e-06".
  public static func scientific(_ value: Double) -> String { String(format: "%.1e", value) }

  /// A share as a percentage: "12.3 %".
  public static func percent(_ share: Double, _ digits: Int = 1) -> String {
    fixed(share * 100, digits) + " %"
  }

  /// Bytes in decimal units: "12.3 MB".
  public static func bytes(_ count: Double) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")]
    guard let (size, name) = units.first(where: { abs(count) >= $0.0 }) else {
      return "\(Int(count)) B"
    }
    return significant(count / size) + " " + name
  }

  /// A count in the units of parameter counts: "46.7B", "131M".
  public static func count(_ value: Int) -> String {
    let units = [(1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")]
    guard let (size, name) = units.first(where: { abs(Double(value)) >= $0.0 }) else {
      return "\(value)"
    }
    return significant(Double(value) / size) + name
  }

  /// A whole number in groups of three: "1 304 112".
  public static func grouped(_ value: Int) -> String {
    let digits = String(value.magnitude)
    let groups = stride(from: digits.count, to: 0, by: -3).map { end in
      String(digits.dropLast(digits.count - end).suffix(3))
    }
    return (value < 0 ? "-" : "") + groups.reversed().joined(separator: " ")
  }
}
