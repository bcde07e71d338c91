// SPDX-License-Identifier: Apache-2.0
// epsim: a JSON document of any shape.

internal import Foundation

/// A value of a JSON document.
enum JSONValue: Decodable, Equatable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case list([JSONValue])
  case object([String: JSONValue])

  /// Configurations have a few kilobytes; those with a list per layer a few more.
  private static let maxBytes = 4 << 20

  /// Reads a document. Foundation's parser limits the depth to 512.
  /// - Throws: ``InputError`` where it is not JSON.
  static func parse(_ text: String, place: String) throws -> JSONValue {
    guard text.utf8.count <= maxBytes else {
      throw InputError(
        "\(place) has \(text.utf8.count) bytes, accepted is a model's config.json up to \(maxBytes)"
      )
    }
    do {
      return try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
    } catch {
      throw InputError("\(place) is not JSON, accepted is a model's config.json")
    }
  }

  init(from decoder: any Decoder) throws {
    if let container = try? decoder.singleValueContainer() {
      if container.decodeNil() {
        self = .null
        return
      }
      if let value = try? container.decode(Bool.self) {
        self = .bool(value)
        return
      }
      if let value = try? container.decode(Double.self) {
        self = .number(value)
        return
      }
      if let value = try? container.decode(String.self) {
        self = .string(value)
        return
      }
    }
    if var list = try? decoder.unkeyedContainer() {
      var values: [JSONValue] = []
      while !list.isAtEnd { values.append(try list.decode(JSONValue.self)) }
      self = .list(values)
    } else {
      self = .object(try [String: JSONValue](from: decoder))
    }
  }

  /// The value as a person reads it; long lists are cut.
  var text: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .number(let value): Int(exactly: value).map(String.init) ?? "\(value)"
    case .string(let value): value.count > 60 ? value.prefix(57) + "..." : value
    case .list(let values):
      values.count > 6
        ? "[" + values.prefix(5).map(\.text).joined(separator: ", ") + ", ... \(values.count)]"
        : "[" + values.map(\.text).joined(separator: ", ") + "]"
    case .object: "{...}"
    }
  }
}
