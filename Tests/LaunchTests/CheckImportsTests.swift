// SPDX-License-Identifier: Apache-2.0
// epsim: tests of scripts/check-imports.

import Foundation
import TestSupport
import Testing

@Suite("Import check")
struct CheckImportsTests {
  /// A copy of the script beside sources of its own.
  private func check(_ files: [String: String], package: String = "") throws -> Command {
    let root = FileManager.default.temporaryDirectory.appending(path: "epsim-\(UUID())")
    defer { try? FileManager.default.removeItem(at: root) }
    for (path, text) in files.merging(["Package.swift": package], uniquingKeysWith: { $1 }) {
      let file = root.appending(path: path)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: file)
    }
    try FileManager.default.createDirectory(
      at: root.appending(path: "scripts"), withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      at: Command.repository.appending(path: "scripts/check-imports"),
      to: root.appending(path: "scripts/check-imports"))
    return try Command.run("scripts/check-imports", [], in: root)
  }

  @Test("the sources of this repository pass")
  func repositoryPasses() throws {
    let outcome = try Command.run("scripts/check-imports", [])
    #expect(outcome.exitCode == 0, "\(outcome.output)")
  }

  @Test("allowed imports and other modules pass")
  func allowed() throws {
    let outcome = try check([
      "Sources/Placement/A.swift": "internal import Foundation\npublic import MoE\n// import MPI\n",
      "Sources/epsim/B.swift": "import MPI\nimport Reporting\n",
    ])
    #expect(outcome.exitCode == 0, "\(outcome.output)")
  }

  @Test(
    "an import that the table does not allow is named with its place",
    arguments: [
      ("Placement", "import MPI", "Placement may not import MPI"),
      ("Workloads", "  @preconcurrency public import struct Timing.Clock", "import Timing"),
      ("epsim", "internal import CMPIShim", "epsim may not import CMPIShim"),
      ("Kernels", "@testable import ExpertParallel // why", "import ExpertParallel"),
    ])
  func refused(module: String, line: String, message: String) throws {
    let outcome = try check(["Sources/\(module)/A.swift": "\n\(line)\n"])
    #expect(outcome.exitCode == 1)
    #expect(outcome.output.hasPrefix("Sources/\(module)/A.swift:2: "), "\(outcome.output)")
    #expect(outcome.output.contains(message), "\(outcome.output)")
  }

  @Test("a module without a row is named")
  func unknown() throws {
    let outcome = try check(["Sources/Sideboard/A.swift": "import Foundation\n"])
    #expect(outcome.exitCode == 1)
    #expect(outcome.output.contains("module Sideboard has no row"))
  }

  @Test("a target that depends on more than its module may import is named")
  func dependencies() throws {
    let outcome = try check(
      ["Sources/MoE/A.swift": "\n"],
      package: """
        let targets = [
          module("CostModel", ["MoE"]),
          .target(
            name: "Placement",
            dependencies: ["CostModel", "MPI"]),
        ]
        """)
    #expect(outcome.exitCode == 1)
    #expect(
      outcome.output == "Package.swift:5: target Placement may not depend on MPI\n",
      "\(outcome.output)")
  }
}
