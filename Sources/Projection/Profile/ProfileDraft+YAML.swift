// SPDX-License-Identifier: Apache-2.0
// epsim: writes a cluster profile as YAML.

extension ProfileDraft {
  /// The profile as a file, keys in the order of the schema; comments of a file that was read are
  /// not kept.
  public var yaml: String {
    var lines: [String] = []
    write(ProfileSchema.root, at: [], into: &lines)
    return lines.joined(separator: "\n") + "\n"
  }

  private func write(_ fields: [ProfileSchema.Field], at path: [String], into lines: inout [String])
  {
    for field in fields { write(field.shape, at: path + [field.name], into: &lines) }
  }

  private func write(_ shape: ProfileSchema.Shape, at path: [String], into lines: inout [String]) {
    let key = path.joined(separator: ".")
    let start = String(repeating: "  ", count: path.count - 1) + path[path.count - 1] + ":"
    switch shape {
    case .value:
      if let value = values.first(where: { $0.path == path }) {
        lines.append("\(start) \(Self.flow(value))")
      }
    case .text:
      let text = path[0] == "sources" ? sources.first { $0.name == path[1] }?.text : texts[key]
      if let text { lines.append("\(start) \(Self.quoted(text))") }
    case .fields(let fields):
      guard has(key) else { return }
      lines.append(start)
      write(fields, at: path, into: &lines)
    case .byQuantity(_, let inner):
      guard has(key) else { return }
      lines.append(start)
      for name in names(beneath: path) { write(inner, at: path + [name], into: &lines) }
    case .byName(let inner):
      let names = path == ["sources"] ? sources.map(\.name) : names[key] ?? []
      guard !names.isEmpty else { return }
      lines.append(start)
      for name in names { write(inner, at: path + [name], into: &lines) }
    }
  }

  /// The keys beneath a path, each once, in the order of the numbers.
  private func names(beneath path: [String]) -> [String] {
    var seen: Set<String> = []
    return values.filter { $0.path.count > path.count && $0.path.starts(with: path) }
      .map { $0.path[path.count] }.filter { seen.insert($0).inserted }
  }

  private static func flow(_ value: ProfileValue) -> String {
    var parts = ["value: \(value.text)"]
    parts.append("\(value.provenance.rawValue): \(value.sourceName ?? quoted(value.source))")
    if !value.intervalText.isEmpty {
      parts.append("interval: [\(value.intervalText.joined(separator: ", "))]")
    }
    return "{ \(parts.joined(separator: ", ")) }"
  }

  private static func quoted(_ text: String) -> String {
    let isPlain = text.utf8.allSatisfy {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20)
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || "-_/.".utf8.contains($0)
    }
    if isPlain, text.first?.isLetter == true { return text }
    return "\""
      + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
  }
}
