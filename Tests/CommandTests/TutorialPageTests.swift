// SPDX-License-Identifier: Apache-2.0
// epsim: tests that the numbers of the capacity tutorial are the output of the commands beside them.

import Foundation
import TestSupport
import Testing

@Suite("Tutorial page", .serialized)
struct TutorialPageTests {
  /// A folder that looks like the repository after a build; what commands write stays in it.
  private struct Workplace {
    let folder: TemporaryFolder

    init() throws {
      folder = try TemporaryFolder()
      let files = FileManager.default
      for name in ["examples", "hostfiles", "models", "scripts"] {
        try files.createSymbolicLink(
          at: folder.url.appending(path: name),
          withDestinationURL: Command.repository.appending(path: name))
      }
      try files.createDirectory(
        at: folder.url.appending(path: ".build"), withIntermediateDirectories: true)
      try files.createSymbolicLink(
        at: folder.url.appending(path: ".build/release"), withDestinationURL: Command.products)
    }

    /// Runs a command line as it stands on the page, and takes down its lines.
    func run(_ command: String) throws -> (lines: [String], outcome: Command) {
      let outcome = try Command.run(
        "/usr/bin/env",
        [
          "timeout", "300", "/bin/bash", "-c", "PATH=$PWD/.build/release:$PATH; " + command,
        ], in: folder.url)
      var lines = outcome.output.components(separatedBy: "\n")
      while lines.last == "" { lines.removeLast() }
      return (lines, outcome)
    }
  }

  /// `counted` or `all` (also times, of this machine): rewrite the outputs instead of testing them.
  private static let renewal = ProcessInfo.processInfo.environment["EPSIM_RENEW_TUTORIAL"]

  @Test("every output without times is what its command prints")
  func outputs() throws {
    var page = try TutorialPage()
    let workplace = try Workplace()
    #expect(page.blocks.count { !$0.isTimed } >= 8)
    var renewed: [(block: TutorialPage.Block, lines: [String])] = []
    for block in page.blocks where !block.isTimed || Self.renewal == "all" {
      #expect(block.isTimed || block.command.hasPrefix("epsim "), "\(block.command)")
      let (lines, outcome) = try workplace.run(block.command)
      #expect(outcome.exitCode == 0, "\(block.command): \(outcome.error)")
      if Self.renewal == nil {
        if let line = TutorialPage.difference(block, lines) {
          Issue.record(
            """
            docs/tutorial-capacity.md shows "\(line)", but \(block.command) prints
            \(outcome.output)
            """)
        }
      } else if let shown = TutorialPage.renewed(block, lines) {
        renewed.append((block, shown))
      } else {
        Issue.record("\(block.command) prints other lines:\n\(outcome.output)")
      }
    }
    guard Self.renewal != nil else { return }
    for (block, lines) in renewed.reversed() { page.replace(block, with: lines) }
    try page.write()
  }

  @Test("every timed command runs at small scale, with the headings that the page shows")
  func timedCommands() throws {
    let blocks = try TutorialPage().blocks.filter(\.isTimed)
    #expect(blocks.count >= 5)
    let workplace = try Workplace()
    for block in blocks {
      // Launchers and loops stay out: what they start runs on two ranks of this machine.
      let words = block.command.replacing("$tokens", with: "64").split(separator: " ")
      let start = try #require(words.firstIndex { $0.hasSuffix("epsim") }, "\(block.command)")
      let end = words[start...].firstIndex { $0 == "|" || $0 == "2>/dev/null" } ?? words.endIndex
      let command = words[start..<end].joined(separator: " ")
      let (lines, outcome) = try workplace.run(
        "scripts/launch -n 2 --timeout 60 -- \(command) "
          + "--tokens 64 --steps 8 --warmup 1 --output -")
      #expect(outcome.exitCode == 0, "\(command): \(outcome.error)")
      for line in block.segments.joined() where line.hasPrefix("---") || line.hasPrefix("case") {
        let columns = line.split(separator: " ").count
        #expect(
          lines.contains {
            $0.hasPrefix(line.prefix(4)) && $0.split(separator: " ").count == columns
          },
          "\(command): no line such as \(line)")
      }
    }
  }

  @Test("no line is longer than 100 columns, and every file that the page names is there")
  func shape() throws {
    let lines = try TutorialPage().lines
    for line in lines { #expect(line.count <= 100, "\(line)") }
    for match in lines.joined(separator: "\n").matches(of: /examples\/[a-z0-9.\/-]*[a-z0-9]/) {
      let path = Command.repository.appending(path: String(match.output)).path
      #expect(FileManager.default.fileExists(atPath: path), "\(match.output)")
    }
  }
}
