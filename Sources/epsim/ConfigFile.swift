// SPDX-License-Identifier: Apache-2.0
// epsim: options from a YAML file.

internal import Foundation
internal import MoE
internal import Workloads
internal import Yams

/// Turns `--config FILE` into options: `key: value` becomes `--key value`, a list becomes a comma
/// list, `key: true` becomes `--key`, and each entry of `cases` becomes a `--case`.
///
/// An option on the command line overrides the file's. JSON is YAML, so a record's options work too.
enum ConfigFile {
  private static let option = "--config"

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
    let options = try read(path).filter { !given.contains($0.name) }
    // Options of the file go behind the subcommand's own words.
    return rest + options.flatMap(\.arguments)
  }

  private struct FileOption {
    let name: String
    let values: [String]
    let isFlag: Bool
    var arguments: [String] {
      isFlag ? [name] : values.flatMap { ["\(name)=\($0)"] }
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
    return try mapping.map { key, value in
      guard let key = key.string, key.allSatisfy({ $0.isLetter || $0.isNumber || "-_".contains($0) })
      else { throw InputError("configuration \(path) has a key that is not a word") }
      let name = key.replacingOccurrences(of: "_", with: "-")
      if name == "cases" { return try cases(value, path: path) }
      if let word = value.scalar?.string, word == "true" || word == "false" {
        return FileOption(name: "--" + name, values: [], isFlag: word == "true")
      }
      return FileOption(
        name: "--" + name, values: [try text(value, key: key, path: path)], isFlag: false)
    }
  }

  private static func cases(_ node: Node, path: String) throws -> FileOption {
    guard case .sequence(let entries) = node else {
      throw InputError("configuration \(path): cases must be a list of mappings")
    }
    let values = try entries.map { entry in
      guard case .mapping(let mapping) = entry else {
        throw InputError("configuration \(path): cases must be a list of mappings")
      }
      return try mapping.map { key, value in
        let name = (key.string ?? "?").replacingOccurrences(of: "_", with: "-")
        return name + "=" + (try text(value, key: name, path: path))
      }.joined(separator: ",")
    }
    return FileOption(name: "--case", values: values, isFlag: false)
  }

  private static func text(_ node: Node, key: String, path: String) throws -> String {
    switch node {
    case .scalar(let scalar): return scalar.string
    case .sequence(let values) where values.allSatisfy({ $0.scalar != nil }):
      return values.compactMap(\.scalar?.string).joined(separator: ",")
    default:
      throw InputError("configuration \(path): \(key) must be a value or a list of values")
    }
  }
}
