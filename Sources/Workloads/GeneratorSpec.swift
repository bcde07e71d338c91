// SPDX-License-Identifier: Apache-2.0
// epsim: a generator with the values of its parameters.

internal import MoE

/// A generator as written: `NAME[:VALUE][:KEY=VALUE]...`, or `NAME:FILE`.
///
/// The value without a key is that of the first parameter. Colons, because commas separate cases.
public struct GeneratorSpec: Sendable, Equatable, CustomStringConvertible {
  /// The name in the catalogue.
  public let name: String
  /// The file, of generators that take one.
  public let path: String?
  /// Values in the order of the entry's parameters.
  private var values: [Double]

  /// Parses what stands behind a generator's name; nil where nothing does.
  ///
  /// - Throws: ``InputError`` that names the parameter and what is accepted.
  init(_ entry: GeneratorEntry, parsing rest: String?, of text: String) throws {
    name = entry.name
    values = entry.parameters.map(\.defaultValue)
    guard !entry.takesFile else {
      guard let rest, !rest.isEmpty else {
        throw InputError("workload \(text): a file is missing, accepted is \(entry.usage)")
      }
      path = rest
      return
    }
    path = nil
    guard let rest else { return }
    guard !entry.parameters.isEmpty else {
      throw InputError("workload \"\(text)\": \(entry.name) takes nothing after a colon")
    }
    var written: Set<String> = []
    for (place, part) in rest.split(separator: ":", omittingEmptySubsequences: false).enumerated() {
      let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let key = pair.count == 2 ? String(pair[0]) : place == 0 ? entry.parameters[0].name : ""
      guard let index = entry.parameters.firstIndex(where: { $0.name == key }) else {
        throw InputError(
          "workload \(text): \"\(part)\" does not fit \(entry.name), accepted is \(entry.usage)")
      }
      guard written.insert(key).inserted else {
        throw InputError("workload \(text): \(key) is written twice, accepted is once")
      }
      let word = String(pair[pair.count - 1])
      guard let value = entry.parameters[index].value(word) else {
        throw InputError(
          "workload \(text): \(key) is \"\(word)\", accepted are "
            + entry.parameters[index].accepted)
      }
      values[index] = value
    }
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
  public subscript(_ parameter: String) -> Double {
    guard let index = entry.parameters.firstIndex(where: { $0.name == parameter }) else {
      preconditionFailure("\(name) has no parameter \(parameter)")
    }
    return values[index]
  }

  /// The value of a parameter that is a whole number.
  subscript(whole parameter: String) -> Int { Int(self[parameter]) }

  /// The generator with its first parameter and those that are not at their defaults; parses to the
  /// same spec. A first parameter that is 0 by default stands for "not asked for" and is left out.
  public var description: String {
    if let path { return "\(name):\(path)" }
    var text = name
    for (index, (parameter, value)) in zip(entry.parameters, values).enumerated() {
      if index == 0, value != 0 || parameter.defaultValue != 0 {
        text += ":" + (parameter.isWhole ? GeneratorEntry.Parameter.short(value) : "\(value)")
      } else if value != parameter.defaultValue {
        text += ":\(parameter.name)=\(GeneratorEntry.Parameter.short(value))"
      }
    }
    return text
  }
}
