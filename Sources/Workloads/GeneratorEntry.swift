// SPDX-License-Identifier: Apache-2.0
// epsim: what is known about a generator: its names, its parameters, how it is made.

internal import MoE

/// A generator of the catalogue.
public struct GeneratorEntry: Sendable {
  /// A number that a generator takes.
  public struct Parameter: Sendable, Equatable {
    /// What it is called before the equals sign.
    public let name: String
    /// What it is where nothing is written.
    public let defaultValue: Double
    /// The numbers that are accepted.
    public let range: ClosedRange<Double>
    /// Whether only whole numbers are accepted.
    public let isWhole: Bool
    /// What it does, in a few words.
    public let meaning: String

    static func whole(
      _ name: String, _ defaultValue: Int, _ range: ClosedRange<Int>, _ meaning: String
    ) -> Parameter {
      Parameter(
        name: name, defaultValue: Double(defaultValue),
        range: Double(range.lowerBound)...Double(range.upperBound), isWhole: true,
        meaning: meaning)
    }

    static func real(
      _ name: String, _ defaultValue: Double, _ range: ClosedRange<Double>, _ meaning: String
    ) -> Parameter {
      Parameter(
        name: name, defaultValue: defaultValue, range: range, isWhole: false, meaning: meaning)
    }

    /// What is accepted, in words.
    public var accepted: String {
      "\(isWhole ? "whole numbers" : "numbers") from \(Self.short(range.lowerBound)) to "
        + Self.short(range.upperBound)
    }

    /// The number of a text; nil where it is none that is accepted.
    func value(_ text: String) -> Double? {
      let value = isWhole ? Int(text).map { Double($0) } : Double(text)
      return value.flatMap { range.contains($0) ? $0 : nil }
    }

    /// A number as a person would write it: without ".0".
    static func short(_ value: Double) -> String {
      Int(exactly: value).map { String($0) } ?? String(value)
    }
  }

  /// What a generator must fit.
  struct Shape: Sendable {
    let expertCount: Int
    let topK: Int
    let layerCount: Int
    let tokensPerStep: Int
    let seed: UInt64
    /// The load of generators that take a file.
    let load: LoadHistogram?
  }

  /// What it is called.
  public let name: String
  /// Another name, such as `w0`.
  public let alias: String?
  /// Its parameters; the first may be written without its name.
  public let parameters: [Parameter]
  /// Whether a path follows instead of parameters.
  public let takesFile: Bool
  /// What it does, in one line.
  public let meaning: String
  let make: @Sendable (GeneratorSpec, Shape) throws -> any RoutingSource

  init(
    _ name: String, alias: String? = nil, _ meaning: String, _ parameters: Parameter...,
    takesFile: Bool = false,
    make: @escaping @Sendable (GeneratorSpec, Shape) throws -> any RoutingSource
  ) {
    self.init(
      name, alias: alias, meaning, parameters: parameters, takesFile: takesFile, make: make)
  }

  init(
    _ name: String, alias: String?, _ meaning: String, parameters: [Parameter],
    takesFile: Bool = false,
    make: @escaping @Sendable (GeneratorSpec, Shape) throws -> any RoutingSource
  ) {
    self.name = name
    self.alias = alias
    self.parameters = parameters
    self.takesFile = takesFile
    self.meaning = meaning
    self.make = make
  }

  /// How it is written: `zipf[:EXPONENT]`, `domains[:COUNT][:alpha=ALPHA]`.
  public var usage: String {
    if takesFile { return "\(name):FILE" }
    return name
      + parameters.enumerated().map { index, parameter in
        index == 0
          ? "[:\(parameter.name.uppercased())]"
          : "[:\(parameter.name)=\(parameter.name.uppercased())]"
      }.joined()
  }
}
