// SPDX-License-Identifier: Apache-2.0
// epsim: options from a YAML file.

internal import Foundation
internal import MoE
internal import Workloads
internal import Yams

/// Turns `--config FILE` into options: `key: value` becomes `--key=value`, a list becomes a comma
/// list, a flag that is true becomes `--flag`, and each entry of `cases` becomes a `--case`.
///
/// An option on the command line overrides the file's, and those of the file that it replaces.
enum ConfigFile {
  private static let option = "--config"
  private static let flags: Set = [
    "add-launch", "check", "exchange", "json", "losses", "published", "quick",
    "resume",
  ]
  /// Words of the command line that would end it before the command runs.
  private static let refused: Set = [
    "config", "help", "help-hidden", "version", "experimental-dump-help",
    "generate-completion-script",
  ]
  /// What an option of the command line takes out of the file beside its own name.
  private static let alternatives: [String: [String]] = {
    let knobs = CaseKnob.all.map { "--" + $0.name }
    var alternatives = Dictionary(uniqueKeysWithValues: knobs.map { ($0, ["--case"]) })
    alternatives["--case"] = knobs
    alternatives["--tokens"] = ["--tokens-per-rank"]
    alternatives["--tokens-per-rank"] = ["--tokens"]
    return alternatives
  }()

  /// The first argument that is not `--config FILE`: the subcommand, where there is one.
  static func firstWord(_ arguments: [String]) -> String? {
    var rest = arguments[...]
    while let word = rest.first, word == option || word.hasPrefix(option + "=") {
      rest = rest.dropFirst(word == option ? 2 : 1)
    }
    return rest.first
  }

  /// The arguments with the file's options in place of `--config`.
  static func expand(_ arguments: [String]) throws -> [String] {
    var rest = arguments
    var paths: [String] = []
    while let index = rest.firstIndex(where: { $0 == option || $0.hasPrefix(option + "=") }) {
      if rest[index] == option {
        guard index + 1 < rest.count else {
          throw InputError("--config needs the path of a YAML file")
        }
        paths.append(rest[index + 1])
        rest.removeSubrange(index...index + 1)
      } else {
        paths.append(String(rest[index].dropFirst(option.count + 1)))
        rest.remove(at: index)
      }
    }
    guard let path = paths.first else { return arguments }
    guard paths.count == 1 else {
      throw InputError("--config was given \(paths.count) times, one file is accepted")
    }
    let given = Set(
      rest.filter { $0.hasPrefix("--") }.map { String($0.prefix { $0 != "=" }) })
    let overridden = given.union(given.flatMap { alternatives[$0] ?? [] })
    let options = try read(path).filter { !overridden.contains($0.name) }
    // Options of the file go behind the subcommand's own words.
    return rest + options.flatMap(\.arguments)
  }

  private struct FileOption {
    let name: String
    let arguments: [String]

    init(_ name: String, values: [String]) {
      self.name = "--" + name
      arguments = values.map { "--\(name)=\($0)" }
    }

    init(_ name: String, isOn: Bool) {
      self.name = "--" + name
      arguments = isOn ? [self.name] : []
    }
  }

  private static func read(_ path: String) throws -> [FileOption] {
    let bytes = try InputFile.bytes(ofPath: path, kind: "configuration")
    let node: Node?
    do {
      node = try Yams.compose(yaml: String(decoding: bytes, as: UTF8.self))
    } catch {
      let reason = "\(error)".split(separator: "\n").first ?? "unreadable"
      throw InputError("configuration \(path) is not YAML: \(reason)")
    }
    guard case .mapping(let mapping)? = node else {
      throw InputError("configuration \(path) must be a mapping of options, such as model: tiny")
    }
    let options = try mapping.map { try fileOption($0, $1, path: path) }
    var names: Set<String> = []
    for option in options where !names.insert(option.name).inserted {
      throw InputError("configuration \(path) gives \(option.name) twice")
    }
    return options
  }

  private static func fileOption(_ key: Node, _ value: Node, path: String) throws -> FileOption {
    guard let key = key.string, key.first?.isLetter == true,
      key.allSatisfy({ $0.isLetter || $0.isNumber || "-_".contains($0) })
    else { throw InputError("configuration \(path) has a key that is not a word") }
    let name = key.replacingOccurrences(of: "_", with: "-")
    guard !refused.contains(name) else {
      throw InputError("configuration \(path): \(key) belongs on the command line")
    }
    if name == "cases" || (name == "case" && value.scalar == nil) {
      return FileOption("case", values: try cases(value, path: path))
    }
    if flags.contains(name), let isOn = value.bool { return FileOption(name, isOn: isOn) }
    return FileOption(name, values: [try text(value, key: key, path: path)])
  }

  private static func cases(_ node: Node, path: String) throws -> [String] {
    guard case .sequence(let entries) = node, !entries.isEmpty else {
      throw InputError("configuration \(path): cases must be a list of one or more mappings")
    }
    return try entries.map { entry in
      guard case .mapping(let mapping) = entry else {
        throw InputError("configuration \(path): cases must be a list of one or more mappings")
      }
      return try mapping.map { key, value in
        let name = (key.string ?? "?").replacingOccurrences(of: "_", with: "-")
        return name + "=" + (try text(value, key: name, path: path))
      }.joined(separator: ",")
    }
  }

  private static func text(_ node: Node, key: String, path: String) throws -> String {
    switch node {
    case .scalar where node.null != nil:
      throw InputError("configuration \(path): \(key) has no value")
    case .scalar where node.bool != nil:
      let flags = flags.sorted().joined(separator: ", ")
      throw InputError(
        "configuration \(path): \(key) is given yes or no, which only \(flags) take; "
          + "put a word in quotes")
    case .scalar(let scalar): return scalar.string
    case .sequence(let values) where !values.isEmpty && values.allSatisfy({ $0.scalar != nil }):
      return try values.map { try text($0, key: key, path: path) }.joined(separator: ",")
    default:
      throw InputError(
        "configuration \(path): \(key) must be a value or a list of one or more values")
    }
  }
}
