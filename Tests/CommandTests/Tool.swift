// SPDX-License-Identifier: Apache-2.0
// epsim: runs the built tool.

import Foundation
import TestSupport

/// The built `epsim`.
enum Tool {
  static var path: String { Command.products.appending(path: "epsim").path }
  static let lawTrace = "examples/traces/deepseek-v2-lite-law.safetensors"

  /// Runs the tool alone, as a person would, from the repository.
  static func run(_ arguments: String...) throws -> Command {
    try Command.run("/usr/bin/env", ["timeout", "120", path] + arguments)
  }

  /// Runs the tool on several ranks.
  static func launch(_ ranks: Int, _ arguments: String...) throws -> Command {
    try launch(ranks, arguments: arguments)
  }

  /// The same with a list.
  static func launch(_ ranks: Int, arguments: [String]) throws -> Command {
    try Command.run(
      "scripts/launch", ["-n", "\(ranks)", "--timeout", "120", "--", path] + arguments)
  }

  /// The JSON that a command printed.
  static func json(_ command: Command) throws -> Any {
    try JSONSerialization.jsonObject(with: Data(command.output.utf8))
  }
}

/// A folder that goes away with its last user.
final class TemporaryFolder {
  let url = FileManager.default.temporaryDirectory.appending(path: "epsim-\(UUID())")

  init() throws {
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func path(_ name: String) -> String { url.appending(path: name).path }

  func write(_ bytes: Data, _ name: String) throws -> String {
    try bytes.write(to: url.appending(path: name))
    return path(name)
  }
}
