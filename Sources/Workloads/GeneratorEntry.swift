// SPDX-License-Identifier: Apache-2.0
// epsim: what is known about a generator: its names, its parameters, how it is made.

internal import MoE

/// A generator of the catalogue.
public struct GeneratorEntry: Sendable {
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
  public let parameters: [SpecParameter]
  /// Whether a path follows instead of parameters.
  public let takesFile: Bool
  /// What it does, in one line.
  public let meaning: String
  let make: @Sendable (GeneratorSpec, Shape) throws -> any RoutingSource

  init(
    _ name: String, alias: String? = nil, _ meaning: String, _ parameters: SpecParameter...,
    takesFile: Bool = false,
    make: @escaping @Sendable (GeneratorSpec, Shape) throws -> any RoutingSource
  ) {
    self.init(
      name, alias: alias, meaning, parameters: parameters, takesFile: takesFile, make: make)
  }

  init(
    _ name: String, alias: String?, _ meaning: String, parameters: [SpecParameter],
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
    return name + SpecParameter.usage(parameters)
  }
}
