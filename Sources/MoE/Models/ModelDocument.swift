// SPDX-License-Identifier: Apache-2.0
// epsim: a model as a person names it, preset or config.json.

/// A model read from a preset, or from a config.json where the name ends in `.json`.
public struct ModelDocument: Sendable {
  public let model: ModelShape
  /// The preset, where it is one.
  public let preset: ModelFile?
  /// The config.json, where it is one.
  public let config: HuggingFaceConfig?

  /// Reads the text of a file.
  /// - Parameter name: what the person wrote: a preset's name or the path of a file.
  /// - Throws: ``InputError`` that names the field and the file.
  public init(text: String, name: String) throws {
    if name.hasSuffix(".json") {
      let config = try HuggingFaceConfig(
        json: text, name: Self.modelName(ofPath: name), place: "model \(name)")
      (model, preset, self.config) = (config.model, nil, config)
    } else {
      let preset = try ModelFile(yaml: text, place: "model \(name)")
      (model, self.preset, config) = (preset.model, preset, nil)
    }
  }

  /// `Qwen3-30B-A3B` for `Qwen3-30B-A3B/config.json`; otherwise the file's name.
  private static func modelName(ofPath path: String) -> String {
    let parts = path.split(separator: "/")
    let file = parts.last.map(String.init) ?? path
    if file == "config.json", parts.count > 1 { return String(parts[parts.count - 2]) }
    return String(file.dropLast(".json".count))
  }
}
