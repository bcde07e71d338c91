// SPDX-License-Identifier: Apache-2.0
// epsim: what a person sees while a command works.

internal import Foundation

/// Notes beside the result: they go to stderr, so that stdout holds results only.
enum Console {
  /// Whether stderr is a terminal.
  static let isTerminal = isatty(STDERR_FILENO) == 1

  static func note(_ text: String) {
    FileHandle.standardError.write(Data("\(text)\n".utf8))
  }

  static func replaceLine(_ text: String) {
    FileHandle.standardError.write(Data("\r\u{1B}[2K\(text)".utf8))
  }
}
