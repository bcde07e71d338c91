// SPDX-License-Identifier: Apache-2.0
// epsim: reads one number of a cluster profile with where it comes from.

internal import MoE
internal import Yams

extension ProfileReader {
  private static let form = "{ value: NUMBER UNIT, measured|published|assumed: SOURCE }"

  func value(_ node: Node, _ dimension: ProfileDimension, at path: [String]) throws
    -> ProfileValue
  {
    let key = path.joined(separator: ".")
    guard case .mapping(let mapping) = node, !mapping.isEmpty else {
      let shown = Self.shown(node) + (node.scalar == nil ? "" : " without where it comes from")
      throw InputError("\(place): \(key) is \(shown), accepted is \(Self.form)")
    }
    let words = Provenance.allCases.map(\.rawValue)
    for name in mapping.keys {
      guard let word = name.scalar?.string, (["value", "interval"] + words).contains(word) else {
        throw InputError(
          "\(place) has the unknown key \(Self.shown(name)) in \(key); known there are value, "
            + "\(words.joined(separator: ", ")), interval")
      }
    }
    guard let given = mapping["value"] else {
      throw InputError("\(place): \(key).value is missing, accepted is \(dimension.accepted)")
    }
    guard let text = given.scalar?.string else {
      throw InputError(
        "\(place): \(key).value is \(Self.shown(given)), accepted is \(dimension.accepted)")
    }
    let quantity = try ProfileQuantity(text, dimension, key: key, place: place)
    let origins = Provenance.allCases.filter { mapping[$0.rawValue] != nil }
    guard let provenance = origins.first, origins.count == 1 else {
      throw InputError(
        "\(place): \(key) is \(origins.isEmpty ? "not" : "both") "
          + (origins.isEmpty ? words : origins.map(\.rawValue)).joined(separator: " and ")
          + ", accepted is one of \(words.joined(separator: ", ")) with its source")
    }
    let source = try self.source(
      mapping[provenance.rawValue]!, key: "\(key).\(provenance.rawValue)")
    let interval = try mapping["interval"].map { node in
      try self.interval(node, around: quantity, dimension, key: "\(key).interval")
    }
    return ProfileValue(
      path: path, dimension: dimension, text: quantity.text, value: quantity.value,
      provenance: provenance, source: source.text, sourceName: source.name,
      interval: interval.map { $0[0].value...$0[1].value },
      intervalText: interval.map { $0.map(\.text) } ?? [])
  }

  /// One word is a name of the table, several are the source itself.
  private func source(_ node: Node, key: String) throws -> (text: String, name: String?) {
    guard let text = node.scalar?.string, Self.isPrintable(text) else {
      throw InputError(
        "\(place): \(key) is \(Self.shown(node)), accepted is a name of the table sources or a "
          + "text of several words")
    }
    if let entry = draft.sources.first(where: { $0.name == text }) {
      return (entry.text, entry.name)
    }
    guard text.contains(" ") else {
      let names = draft.sources.map(\.name).joined(separator: ", ")
      throw InputError(
        "\(place): \(key) names the source \(InputError.excerpt(text)), which the table sources "
          + "does not have; accepted is "
          + (names.isEmpty ? "" : "one of \(InputError.excerpt(names)), or ")
          + "a text of several words")
    }
    return (text, nil)
  }

  private func interval(
    _ node: Node, around value: ProfileQuantity, _ dimension: ProfileDimension, key: String
  ) throws -> [ProfileQuantity] {
    guard case .sequence(let ends) = node, ends.count == 2, let low = ends[0].scalar?.string,
      let high = ends[1].scalar?.string
    else {
      throw InputError("\(place): \(key) is \(Self.shown(node)), accepted is [LOW, HIGH]")
    }
    let interval = try [low, high].map {
      try ProfileQuantity($0, dimension, key: key, place: place)
    }
    guard interval[0].value <= value.value, value.value <= interval[1].value else {
      throw InputError(
        "\(place): \(key) is \(InputError.excerpt(low)) to \(InputError.excerpt(high)), accepted "
          + "is an interval around \(InputError.excerpt(value.text))")
    }
    return interval
  }
}

extension ProfileSchema.Shape {
  /// What is accepted, for an error sentence.
  var accepted: String {
    switch self {
    case .value(let dimension): "\(dimension.accepted), with where it comes from"
    case .text: "a text of 1 to 400 bytes that prints on one line"
    case .fields(let fields): "a mapping with \(fields.map(\.name).joined(separator: ", "))"
    case .byQuantity(.size, _): "a mapping from message sizes such as 64 KiB, the first 0 B"
    case .byQuantity: "a mapping from rows per expert such as 128 rows"
    case .byName: "a mapping from names"
    }
  }
}
