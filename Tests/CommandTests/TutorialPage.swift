// SPDX-License-Identifier: Apache-2.0
// epsim: the commands of docs/tutorial-capacity.md with the output that stands beside them.

import Foundation
import TestSupport

/// The page, cut at its ```` ```console ```` blocks.
///
/// A block begins with `$ ` and a command, which `\` at a line's end continues; then follows what the
/// command prints. A line of `...` stands for any number of lines. Blocks marked `console timed` hold
/// times, which no other run repeats.
struct TutorialPage {
  struct Block {
    let isTimed: Bool
    /// The command on one line.
    let command: String
    /// What the page shows, cut at its `...` lines; empty where it begins or ends with one.
    let segments: [[String]]
    /// Lines of the page that hold the output.
    let outputLines: Range<Int>
  }

  static let file = Command.repository.appending(path: "docs/tutorial-capacity.md")

  var lines: [String]
  let blocks: [Block]

  init() throws {
    lines = try String(contentsOf: Self.file, encoding: .utf8).components(separatedBy: "\n")
    var blocks: [Block] = []
    var index = 0
    while index < lines.count {
      guard lines[index].hasPrefix("```console") else {
        index += 1
        continue
      }
      let isTimed = lines[index] == "```console timed"
      index += 1
      var command = String(lines[index].dropFirst(2))
      while command.hasSuffix("\\") {
        index += 1
        command = command.dropLast() + lines[index].trimmingCharacters(in: .whitespaces)
      }
      let first = index + 1
      while lines[index] != "```" { index += 1 }
      let segments = lines[first..<index].split(separator: "...", omittingEmptySubsequences: false)
      blocks.append(
        Block(
          isTimed: isTimed, command: command, segments: segments.map(Array.init),
          outputLines: first..<index))
    }
    self.blocks = blocks
  }

  /// The first line that the page shows and the output does not have there; nil where all is there.
  static func difference(_ block: Block, _ output: [String]) -> String? {
    var start = 0
    for segment in block.segments {
      guard let found = place(of: segment, in: output, from: start, matches: ==) else {
        return segment.first { !output[start...].contains($0) } ?? segment[0]
      }
      if start == 0 && found > 0 && block.segments[0] == segment {
        return segment[0]
      }
      start = found + segment.count
    }
    let ends = block.segments.last?.isEmpty != false || start == output.count
    return ends ? nil : "(the end)"
  }

  /// The lines of an output that take the place of what the page shows of it: all of it where the
  /// page leaves nothing out, else segments that begin with the same words; nil where one does not.
  static func renewed(_ block: Block, _ output: [String]) -> [String]? {
    if block.segments.count <= 1 { return output }
    var start = 0
    var shown: [[String]] = []
    for segment in block.segments {
      // A title or a heading says where a segment begins; rows under it may change.
      let opening = Array(segment.prefix(1))
      guard
        let found = place(
          of: opening, in: output, from: start, matches: { shape($0) == shape($1) }),
        found + segment.count <= output.count
      else { return nil }
      shown.append(Array(output[found..<found + segment.count]))
      start = found + segment.count
    }
    return Array(shown.joined(separator: ["..."]))
  }

  /// Replaces what the page shows of a block, the last block first.
  mutating func replace(_ block: Block, with output: [String]) {
    lines.replaceSubrange(block.outputLines, with: output)
  }

  func write() throws {
    try Data(lines.joined(separator: "\n").utf8).write(to: Self.file)
  }

  private static func place(
    of segment: [String], in output: [String], from start: Int,
    matches: (String, String) -> Bool
  ) -> Int? {
    guard start + segment.count <= output.count else { return nil }
    return (start...output.count - segment.count).first { first in
      zip(segment, output[first...]).allSatisfy(matches)
    }
  }

  /// A line without its numbers and the width of its columns.
  private static func shape(_ line: String) -> String {
    line.replacing(/[0-9.,]+/, with: "#").split(whereSeparator: { $0 == " " || $0 == "-" })
      .joined(separator: " ")
  }
}
