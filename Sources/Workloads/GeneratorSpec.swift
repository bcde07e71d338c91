// SPDX-License-Identifier: Apache-2.0
// epsim: a generator with the values of its parameters.

internal import MoE

/// A generator as written: `NAME[:VALUE][:KEY=VALUE]...`, or `NAME:FILE`.
public struct GeneratorSpec: Sendable, Equatable, CustomStringConvertible {
  /// The name in the catalogue.
  public let name: String
  /// The file, of generators that take one.
  public let path: String?
  private let values: SpecValues

  /// Parses what stands behind a generator's name; nil where nothing does.
  ///
  /// - Throws: ``InputError`` that names the parameter and what is accepted.
  init(_ entry: GeneratorEntry, parsing rest: String?, of text: String) throws {
    name = entry.name
    guard !entry.takesFile else {
      guard let rest, !rest.isEmpty else {
        throw InputError("workload \(text): a file is missing, accepted is \(entry.usage)")
      }
      path = rest
      values = SpecValues()
      return
    }
    path = nil
    values = try SpecValues(entry.parameters, parsing: rest, of: name, place: "workload \(text)")
  }

  /// The entry of the catalogue.
  var entry: GeneratorEntry {
    guard let entry = WorkloadSpec.catalogue.first(where: { $0.name == name }) else {
      preconditionFailure("there is no generator \(name)")
    }
    return entry
  }

  /// The value of a parameter.
  /// - Precondition: the generator has it.
  public subscript(_ parameter: String) -> Double { values[parameter] }

  /// The value of a parameter that is a whole number.
  subscript(whole parameter: String) -> Int { values[whole: parameter] }

  /// The generator with its first parameter and those that are not at their defaults; parses to the
  /// same spec.
  public var description: String { path.map { "\(name):\($0)" } ?? name + values.text }
}
