// SPDX-License-Identifier: Apache-2.0
// epsim: text that fits a terminal.

/// Words in lines of at most 100 columns; lines after the first are indented.
struct Paragraph {
  private let words: [Substring]
  private let indent: Int
  private static let width = 100

  init(_ text: String, indent: Int) {
    words = text.split(separator: " ")
    self.indent = indent
  }

  var text: String {
    var lines: [String] = []
    var line = ""
    for word in words {
      if !line.isEmpty && line.count + 1 + word.count > Self.width {
        lines.append(line)
        line = String(repeating: " ", count: indent) + word
      } else {
        line += (line.isEmpty ? "" : " ") + word
      }
    }
    return (lines + [line]).joined(separator: "\n")
  }
}
