// SPDX-License-Identifier: Apache-2.0
// epsim: the models that commands name.

internal import Foundation
internal import MoE
internal import Workloads

/// Finds and opens the models that commands name.
enum ModelLibrary {
  /// The file of a model: a path (of a preset or a config.json) as it stands, or
  /// `models/NAME.yaml` of this installation.
  /// - Throws: ``InputError`` that names presets of the same family.
  static func path(of name: String) throws -> String {
    if name.contains("/") || name.hasSuffix(".yaml") || name.hasSuffix(".json") { return name }
    for folder in Installation.folders() {
      let path = folder + "/models/" + name + ".yaml"
      if FileManager.default.fileExists(atPath: path) { return path }
    }
    let family = name.lowercased().prefix { $0.isLetter }
    let alike = try names().filter { !family.isEmpty && $0.hasPrefix(family) }
    throw InputError(
      "model \(name) is unknown"
        + (alike.isEmpty ? "" : ", presets like it are \(alike.joined(separator: ", "))")
        + "; 'epsim model' lists all, the path of a preset or of a config.json is accepted too")
  }

  /// Reads the model of a name on this process.
  static func open(_ name: String) throws -> ModelDocument {
    let bytes = try InputFile.bytes(ofPath: try path(of: name), kind: "model")
    return try ModelDocument(text: String(decoding: bytes, as: UTF8.self), name: name)
  }

  /// What of a config.json was not used or is not known, for a note beside results; nil where
  /// there is nothing to say.
  static func remark(on document: ModelDocument, name: String) -> String? {
    guard let config = document.config else { return nil }
    func list(_ names: [String]) -> String {
      let shown = names.prefix(8).map { InputError.excerpt($0) }.joined(separator: ", ")
      return names.count > 8 ? shown + " and \(names.count - 8) more" : shown
    }
    var parts: [String] = []
    if !config.ignoredFields.isEmpty { parts.append("not used: \(list(config.ignoredFields))") }
    if !config.isKnownType, !config.assumedMeanings.isEmpty {
      parts.append(
        "model_type \(InputError.excerpt(config.modelType)) is unknown, defaults are assumed for "
          + list(config.assumedMeanings))
    }
    guard !parts.isEmpty else { return nil }
    return "\(name): \(parts.joined(separator: "; ")) (see epsim model \(name))"
  }

  /// The presets by name.
  static func names() throws -> [String] {
    let files = Installation.folders().first.map {
      try? FileManager.default.contentsOfDirectory(atPath: $0 + "/models")
    }
    guard let files, let files else {
      throw InputError("no folder models/ was found; set EPSIM_HOME to the folder that holds it")
    }
    return files.filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted()
  }
}
