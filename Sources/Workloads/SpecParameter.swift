// SPDX-License-Identifier: Apache-2.0
// epsim: what may stand behind the name of a generator or strategy.

/// A number or a word that a named rule takes, with what is accepted.
public struct SpecParameter: Sendable, Equatable {
  /// What values it has.
  public enum Kind: Sendable, Equatable {
    case whole(ClosedRange<Double>)
    case real(ClosedRange<Double>)
    /// One of these; its value is the place in the list.
    case word([String])
  }

  /// What it is called before the equals sign.
  public let name: String
  /// What it is where nothing is written.
  public let defaultValue: Double
  /// What values it has.
  public let kind: Kind
  /// What it does, in a few words.
  public let meaning: String

  public static func whole(
    _ name: String, _ defaultValue: Int, _ range: ClosedRange<Int>, _ meaning: String
  ) -> SpecParameter {
    SpecParameter(
      name: name, defaultValue: Double(defaultValue),
      kind: .whole(Double(range.lowerBound)...Double(range.upperBound)), meaning: meaning)
  }

  public static func real(
    _ name: String, _ defaultValue: Double, _ range: ClosedRange<Double>, _ meaning: String
  ) -> SpecParameter {
    SpecParameter(name: name, defaultValue: defaultValue, kind: .real(range), meaning: meaning)
  }

  /// The first word is the default.
  public static func word(_ name: String, _ words: [String], _ meaning: String) -> SpecParameter {
    SpecParameter(name: name, defaultValue: 0, kind: .word(words), meaning: meaning)
  }

  /// What is accepted, in words.
  public var accepted: String {
    switch kind {
    case .whole(let range):
      "whole numbers from \(Self.short(range.lowerBound)) to \(Self.short(range.upperBound))"
    case .real(let range):
      "numbers from \(Self.short(range.lowerBound)) to \(Self.short(range.upperBound))"
    case .word(let words): words.joined(separator: ", ")
    }
  }

  /// The default as it is written.
  public var defaultText: String { text(defaultValue) }

  /// The smallest and the largest value as they are written, or all words.
  public var extremes: [String] {
    switch kind {
    case .whole(let range), .real(let range):
      [Self.short(range.lowerBound), Self.short(range.upperBound)]
    case .word(let words): words
    }
  }

  /// The value of a text; nil where it is none that is accepted.
  func value(_ text: String) -> Double? {
    switch kind {
    case .whole(let range):
      text.first == "+"
        ? nil : Int(text).map { Double($0) }.flatMap { range.contains($0) ? $0 : nil }
    case .real(let range): Double(text).flatMap { range.contains($0) ? $0 : nil }
    case .word(let words): words.firstIndex(of: text).map { Double($0) }
    }
  }

  /// A value as a person writes it.
  func text(_ value: Double) -> String {
    if case .word(let words) = kind { return words[Int(value)] }
    return Self.short(value)
  }

  /// A number as a person would write it: without ".0".
  private static func short(_ value: Double) -> String {
    Int(exactly: value).map { String($0) } ?? String(value)
  }

  /// How parameters are written behind a name: `[:FIRST][:second=SECOND]`.
  public static func usage(_ parameters: [SpecParameter]) -> String {
    parameters.enumerated().map { index, parameter in
      index == 0
        ? "[:\(parameter.name.uppercased())]"
        : "[:\(parameter.name)=\(parameter.name.uppercased())]"
    }.joined()
  }
}
