// SPDX-License-Identifier: Apache-2.0
// epsim: what is wrong with a YAML text, in words.

internal import Yams

/// What the parser or the decoder of a YAML text complains about, without the text around it.
struct YAMLProblem: CustomStringConvertible {
  let description: String

  /// - Parameter node: the document, where it was parsed.
  init(_ error: any Error, in node: Node?) {
    switch error {
    case YamlError.scanner(_, let problem, let mark, _),
      YamlError.parser(_, let problem, let mark, _),
      YamlError.composer(_, let problem, let mark, _):
      description = "line \(mark.line), column \(mark.column): \(InputError.excerpt(problem))"
    case YamlError.reader(let problem, _, _, _):
      description = InputError.excerpt(problem)
    case DecodingError.keyNotFound(let key, let context):
      description = "the key \(Self.name(context.codingPath + [key])) is missing"
    case DecodingError.typeMismatch(let type, let context):
      description =
        "\(Self.name(context.codingPath)) is \(Self.text(node, at: context.codingPath)), "
        + "accepted is \(Self.accepted(type))"
    case DecodingError.dataCorrupted(let context), DecodingError.valueNotFound(_, let context):
      description = "\(Self.name(context.codingPath)) cannot be read"
    default:
      description = InputError.excerpt("\(error)")
    }
  }

  private static func name(_ path: [any CodingKey]) -> String {
    path.map { $0.intValue.map { "\($0 + 1)" } ?? $0.stringValue }.joined(separator: ".")
  }

  /// The value at a path, shortened.
  private static func text(_ node: Node?, at path: [any CodingKey]) -> String {
    let value = path.reduce(node) { node, key in
      switch node {
      case .mapping(let mapping)?: mapping[key.stringValue]
      case .sequence(let values)?:
        key.intValue.flatMap { values.indices.contains($0) ? values[$0] : nil }
      default: nil
      }
    }
    switch value {
    case .scalar(let scalar)?:
      return scalar.string.isEmpty ? "empty" : InputError.excerpt(scalar.string)
    case .sequence?: return "a list"
    case .mapping?: return "a mapping"
    default: return "something else"
    }
  }

  private static func accepted(_ type: any Any.Type) -> String {
    switch type {
    case is Int.Type: "a whole number"
    case is Double.Type: "a number"
    case is Bool.Type: "true or false"
    case is Node.Sequence.Type: "a list"
    case is Node.Mapping.Type: "a mapping"
    default: "a single value"
    }
  }
}
