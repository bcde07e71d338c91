// SPDX-License-Identifier: Apache-2.0
// epsim: reads the YAML of a cluster profile.

internal import MoE
internal import Yams

/// Reads keys, numbers and texts of a cluster profile, each against the schema.
///
/// Hostile text is met before the parser does much work with it: size first, then aliases, by which
/// a short text could stand for an endless one; the parser itself limits depth to 1000.
struct ProfileReader {
  /// More than any profile needs.
  static let largestText = 1 << 18

  let place: String
  private(set) var draft = ProfileDraft()

  /// - Throws: ``InputError`` that names the key, the value and what is accepted.
  init(yaml text: String, place: String) throws {
    self.place = place
    guard text.utf8.count <= Self.largestText else {
      throw InputError(
        "\(place) has \(text.utf8.count) bytes, accepted are up to \(Self.largestText)")
    }
    if let line = Self.lineOfAlias(text) {
      throw InputError(
        "\(place): line \(line) refers to another place by *, which cluster profiles do not; "
          + "write the value out, in quotes where it begins with a star")
    }
    guard case .mapping(let mapping)? = try parsed(text) else {
      throw InputError(
        "\(place) is no cluster profile: it must be a mapping with schema: \(ProfileSchema.current)"
      )
    }
    try readSchema(mapping)
    try read(mapping, ProfileSchema.root, at: [])
  }

  private func parsed(_ text: String) throws -> Node? {
    do {
      return try Yams.compose(yaml: text)
    } catch YamlError.scanner(_, let problem, let mark, _),
      YamlError.parser(_, let problem, let mark, _),
      YamlError.composer(_, let problem, let mark, _)
    {
      throw InputError(
        "\(place) is not YAML: line \(mark.line), column \(mark.column): "
          + InputError.excerpt(problem))
    } catch YamlError.duplicatedKeysInMapping(let duplicates, let context) {
      throw InputError(
        "\(place): line \(context.mark.line) gives a second value to "
          + InputError.excerpt(duplicates.first ?? "a key"))
    } catch YamlError.reader(let problem, _, _, _) {
      throw InputError("\(place) is not YAML: \(InputError.excerpt(problem))")
    } catch {
      throw InputError("\(place) is not YAML: \(InputError.excerpt("\(error)"))")
    }
  }

  /// The line of the first alias, as far as that can be told without a parser: `*word` where a
  /// value may begin. Texts in quotes may look like one too.
  private static func lineOfAlias(_ text: String) -> Int? {
    var line = 1
    var mayBegin = true
    let bytes = Array(text.utf8)
    for (index, byte) in bytes.enumerated() {
      switch byte {
      case UInt8(ascii: "\n"):
        line += 1
        mayBegin = true
      case UInt8(ascii: " "), UInt8(ascii: "\t"): continue
      case UInt8(ascii: "*"):
        if mayBegin, index + 1 < bytes.count, !" \t\r\n".utf8.contains(bytes[index + 1]) {
          return line
        }
        mayBegin = false
      default:
        // Other line breaks of YAML are not ASCII, but for the carriage return.
        mayBegin = ":-?[{,\r".utf8.contains(byte) || byte >= 0x80
      }
    }
    return nil
  }

  private func readSchema(_ mapping: Node.Mapping) throws {
    guard let schema = mapping["schema"]?.scalar?.string else {
      throw InputError("\(place): schema is missing, accepted is \(ProfileSchema.current)")
    }
    guard schema == ProfileSchema.current else {
      throw InputError(
        "\(place): schema is \(InputError.excerpt(schema)), accepted is \(ProfileSchema.current)")
    }
  }

  private mutating func read(
    _ mapping: Node.Mapping, _ fields: [ProfileSchema.Field], at path: [String]
  ) throws {
    for key in mapping.keys where !fields.contains(where: { $0.name == key.scalar?.string }) {
      let name = key.scalar.map { InputError.excerpt($0.string) } ?? "that is no word"
      let known = fields.map(\.name).joined(separator: ", ")
      let level = path.isEmpty ? "at its top" : "in \(path.joined(separator: "."))"
      throw InputError("\(place) has the unknown key \(name) \(level); known there are \(known)")
    }
    // Sources first: numbers refer to them.
    for field in fields.filter({ $0.name == "sources" }) + fields.filter({ $0.name != "sources" }) {
      let path = path + [field.name]
      if let node = mapping[field.name] {
        try read(node, field.shape, at: path)
      } else if field.isRequired {
        throw InputError(
          "\(place): \(path.joined(separator: ".")) is missing, accepted is "
            + field.shape.accepted)
      }
    }
  }

  private mutating func read(_ node: Node, _ shape: ProfileSchema.Shape, at path: [String]) throws {
    let key = path.joined(separator: ".")
    switch shape {
    case .value(let dimension):
      draft.values.append(try value(node, dimension, at: path))
      draft.note(path)
    case .text:
      guard let scalar = node.scalar, Self.isPrintable(scalar.string) else {
        throw InputError("\(place): \(key) is \(Self.shown(node)), accepted is \(shape.accepted)")
      }
      if path.first == "sources" {
        draft.setSource(path[1], scalar.string)
      } else {
        draft.texts[key] = scalar.string
        draft.note(path)
      }
    case .fields(let fields):
      try read(try mapping(node, shape, key: key), fields, at: path)
    case .byQuantity(let dimension, let inner):
      var seen: Set<Double> = []
      for (name, node) in try mapping(node, shape, key: key) {
        let size = try ProfileQuantity(
          name.scalar?.string ?? "", dimension, key: "a key of \(key)", place: place,
          allowsZero: dimension == .size)
        guard seen.insert(size.value).inserted else {
          throw InputError(
            "\(place): \(key) gives \(InputError.excerpt(size.text)) twice, accepted is once")
        }
        try read(node, inner, at: path + [size.text])
      }
    case .byName(let inner):
      for (name, node) in try mapping(node, shape, key: key) {
        guard let name = name.scalar?.string, Self.isName(name) else {
          let shown = name.scalar.map { InputError.excerpt($0.string) } ?? "no word"
          throw InputError(
            "\(place): the name \(shown) in \(key) is not accepted; names are made of up to 40 "
              + "letters, digits, - and _")
        }
        try read(node, inner, at: path + [name])
      }
    }
  }

  private func mapping(_ node: Node, _ shape: ProfileSchema.Shape, key: String) throws
    -> Node.Mapping
  {
    guard case .mapping(let mapping) = node, !mapping.isEmpty else {
      throw InputError("\(place): \(key) is \(Self.shown(node)), accepted is \(shape.accepted)")
    }
    return mapping
  }

  /// A value as errors show it.
  static func shown(_ node: Node) -> String {
    switch node {
    case .scalar(let scalar):
      scalar.string.isEmpty ? "empty" : InputError.excerpt(scalar.string)
    case .mapping(let mapping): mapping.isEmpty ? "empty" : "a mapping"
    case .sequence: "a list"
    case .alias: "a reference"
    }
  }

  static func isName(_ text: String) -> Bool {
    (1...40).contains(text.utf8.count)
      && text.utf8.allSatisfy {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20)
          || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
          || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
      }
  }

  /// Whether a text can be printed to a terminal as it is.
  static func isPrintable(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.count <= 400
      && text.unicodeScalars.allSatisfy {
        switch $0.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
          .paragraphSeparator:
          false
        default: $0 != "\u{FFFD}"
        }
      }
  }
}
