// SPDX-License-Identifier: Apache-2.0
// epsim: the fields of a config.json, and which of them were used for what.

/// Looks fields up by all the names that they have, and keeps a list of what was used.
///
/// A name is looked for in the text section (`text_config`, `llm_config`) first, then at the top;
/// a dot goes into an object (`ffn_config.moe_top_k`). null counts as absent.
final class ConfigFields {
  private let sections: [(prefix: String, fields: [String: JSONValue])]
  private(set) var used: [HuggingFaceConfig.UsedField] = []
  private var touched: Set<String> = []
  /// The field that was read last, for error sentences.
  private(set) var lastField = ""
  let place: String

  /// What `model_type` says, of the text section where there is one.
  let modelType: String

  init(_ json: JSONValue, place: String) throws {
    guard case .object(let top) = json else {
      throw InputError("\(place) is not a JSON object, accepted is a model's config.json")
    }
    self.place = place
    var sections: [(String, [String: JSONValue])] = [("", top)]
    for name in ["text_config", "llm_config"] {
      if case .object(let inner)? = top[name] { sections.insert((name + ".", inner), at: 0) }
    }
    self.sections = sections.map { (prefix: $0.0, fields: $0.1) }
    modelType =
      sections.compactMap { section -> String? in
        if case .string(let type)? = section.1["model_type"] { return type }
        return nil
      }.first ?? "no model_type"
  }

  /// Fields of the document that were not looked at, but for those that never matter.
  var ignored: [String] {
    sections.flatMap { section in
      section.fields.keys.map { section.prefix + $0 }
    }.filter { name in
      let last = name.split(separator: ".").last.map(String.init) ?? name
      return !touched.contains(name) && !HarmlessFields.contains(last)
    }.sorted()
  }

  /// What stands in the place of a field's name where none states a value.
  static func defaultName(_ modelType: String) -> String { "default of \(modelType)" }

  /// Records a value that no field states.
  func assume(_ meaning: String, _ value: String) {
    let entry = HuggingFaceConfig.UsedField(
      meaning: meaning, field: Self.defaultName(modelType), value: value)
    if !used.contains(entry) { used.append(entry) }
  }

  /// The value of the first name that is there; all that are there must agree.
  func value(_ meaning: String, _ names: [String]) throws -> JSONValue? {
    var found: (name: String, value: JSONValue)?
    for name in names {
      for section in sections {
        guard let value = lookUp(name, in: section.fields), value != .null else { continue }
        touched.insert(section.prefix + (name.split(separator: ".").first.map(String.init) ?? name))
        guard let first = found else {
          found = (section.prefix + name, value)
          continue
        }
        guard first.value == value else {
          throw InputError(
            "\(place): \(first.name) is \(first.value.text) and \(section.prefix + name) is "
              + "\(value.text), which contradict as \(meaning)")
        }
      }
    }
    guard let found else { return nil }
    let entry = HuggingFaceConfig.UsedField(
      meaning: meaning, field: found.name, value: found.value.text)
    if !used.contains(entry) { used.append(entry) }
    lastField = found.name
    return found.value
  }

  private func lookUp(_ name: String, in fields: [String: JSONValue]) -> JSONValue? {
    let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
    guard parts.count == 2 else { return fields[name] }
    guard case .object(let inner)? = fields[parts[0]] else { return nil }
    return lookUp(parts[1], in: inner)
  }

  /// Whether one of these names is there.
  func has(_ names: String...) -> Bool {
    names.contains { name in
      sections.contains { section in
        lookUp(name, in: section.fields).map { $0 != .null } ?? false
      }
    }
  }

  private func wrong(_ meaning: String, _ value: JSONValue, _ accepted: String) -> InputError {
    InputError("\(place): \(lastField) is \(value.text), accepted is \(accepted)")
  }

  /// A whole number within bounds that every size keeps, so that products of two do not overflow.
  func integer(_ meaning: String, _ names: String...) throws -> Int? {
    guard let value = try value(meaning, names) else { return nil }
    return try whole(value, meaning)
  }

  private func whole(_ value: JSONValue, _ meaning: String) throws -> Int {
    guard case .number(let number) = value, let whole = Int(exactly: number),
      (0...1 << 30).contains(whole)
    else { throw wrong(meaning, value, "a whole number from 0 to \(1 << 30)") }
    return whole
  }

  /// The same, above 0, and an error where no name is there.
  func need(_ meaning: String, _ names: String...) throws -> Int {
    guard let value = try value(meaning, names) else {
      throw InputError(
        "\(place) has no field for \(meaning), looked for \(names.joined(separator: ", "))")
    }
    let number = try whole(value, meaning)
    guard number > 0 else { throw wrong(meaning, value, "a whole number from 1") }
    return number
  }

  func number(_ meaning: String, _ names: String...) throws -> Double? {
    guard let value = try value(meaning, names) else { return nil }
    guard case .number(let number) = value, number.isFinite else {
      throw wrong(meaning, value, "a number")
    }
    return number
  }

  func boolean(_ meaning: String, _ names: String...) throws -> Bool? {
    guard let value = try value(meaning, names) else { return nil }
    guard case .bool(let truth) = value else { throw wrong(meaning, value, "true or false") }
    return truth
  }

  func word(_ meaning: String, _ names: String...) throws -> String? {
    guard let value = try value(meaning, names) else { return nil }
    guard case .string(let text) = value else { throw wrong(meaning, value, "a word") }
    return text
  }

  /// A list of whole numbers; `true` and `false` count as 1 and 0.
  func integers(_ meaning: String, _ names: String...) throws -> [Int]? {
    guard let value = try value(meaning, names) else { return nil }
    guard case .list(let values) = value else { throw wrong(meaning, value, "a list of numbers") }
    return try values.map {
      if case .bool(let truth) = $0 { return truth ? 1 : 0 }
      return try whole($0, meaning)
    }
  }

  func words(_ meaning: String, _ names: String...) throws -> [String]? {
    guard let value = try value(meaning, names) else { return nil }
    guard case .list(let values) = value else { throw wrong(meaning, value, "a list of words") }
    return try values.map {
      guard case .string(let text) = $0 else { throw wrong(meaning, value, "a list of words") }
      return text
    }
  }

  /// A list of words out of those accepted.
  func words(_ meaning: String, _ name: String, accepted: [String]) throws -> [String]? {
    let words = try words(meaning, name)
    if let other = words?.first(where: { !accepted.contains($0) }) {
      throw InputError(
        "\(place): \(lastField) has \"\(InputError.excerpt(other))\", accepted are "
          + accepted.joined(separator: ", "))
    }
    return words
  }

  /// That a list has an entry per layer.
  func requireLength(_ count: Int, _ layers: Int, of field: String) throws {
    guard count == layers else {
      throw InputError("\(place): \(field) has \(count) entries for \(layers) layers")
    }
  }
}
