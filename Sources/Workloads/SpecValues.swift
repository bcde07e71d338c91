// SPDX-License-Identifier: Apache-2.0
// epsim: the values of parameters behind a name.

internal import MoE

/// Values as written: `[:VALUE][:KEY=VALUE]...`.
///
/// The value without a key is that of the first parameter. Colons, because commas separate cases.
public struct SpecValues: Sendable, Equatable {
  /// What may be written.
  public let parameters: [SpecParameter]
  /// [parameters] values.
  private var values: [Double]

  /// No values, of a rule that takes none.
  public init() {
    (parameters, values) = ([], [])
  }

  /// Parses what stands behind a name; nil where nothing does.
  ///
  /// - Parameters:
  ///   - rest: what follows the first colon.
  ///   - name: what the parameters belong to.
  ///   - place: how error sentences begin.
  /// - Throws: ``InputError`` that names the parameter and what is accepted.
  public init(
    _ parameters: [SpecParameter], parsing rest: String?, of name: String, place: String
  ) throws {
    self.parameters = parameters
    values = parameters.map(\.defaultValue)
    guard let rest else { return }
    guard !parameters.isEmpty else {
      throw InputError("\(place): \(name) takes nothing after a colon")
    }
    var written: Set<String> = []
    for (index, part) in rest.split(separator: ":", omittingEmptySubsequences: false).enumerated() {
      let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let key = pair.count == 2 ? String(pair[0]) : index == 0 ? parameters[0].name : ""
      guard let number = parameters.firstIndex(where: { $0.name == key }) else {
        throw InputError(
          "\(place): \"\(part)\" does not fit \(name), accepted is "
            + "\(name)\(SpecParameter.usage(parameters))")
      }
      guard written.insert(key).inserted else {
        throw InputError("\(place): \(key) is written twice, accepted is once")
      }
      let word = String(pair[pair.count - 1])
      guard let value = parameters[number].value(word) else {
        throw InputError(
          "\(place): \(key) is \"\(word)\", accepted are \(parameters[number].accepted)")
      }
      values[number] = value
    }
  }

  /// The value of a parameter; of a word its place in the list.
  /// - Precondition: it is one of the parameters.
  public subscript(_ parameter: String) -> Double {
    guard let index = parameters.firstIndex(where: { $0.name == parameter }) else {
      preconditionFailure("there is no parameter \(parameter)")
    }
    return values[index]
  }

  /// The value of a parameter that is a whole number.
  public subscript(whole parameter: String) -> Int { Int(self[parameter]) }

  /// The first value and those that are not at their defaults, each with a colon before it; parses
  /// to the same values. A first parameter that is 0 by default stands for "not asked for" and is
  /// left out.
  public var text: String {
    var text = ""
    for (index, (parameter, value)) in zip(parameters, values).enumerated() {
      if index == 0, value != 0 || parameter.defaultValue != 0 {
        text += ":" + (parameter.kind.isReal ? "\(value)" : parameter.text(value))
      } else if value != parameter.defaultValue {
        text += ":\(parameter.name)=\(parameter.text(value))"
      }
    }
    return text
  }
}

extension SpecParameter.Kind {
  fileprivate var isReal: Bool {
    if case .real = self { true } else { false }
  }
}
