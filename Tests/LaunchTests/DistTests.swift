// SPDX-License-Identifier: Apache-2.0
// epsim: tests of an unpacked epsim; scripts/check-dist tests the tarball itself.

import Foundation
import TestSupport
import Testing

@Suite("Unpacked tool", .serialized)
final class DistTests {
  private let folder = FileManager.default.temporaryDirectory.appending(path: "epsim-\(UUID())")
  private let elsewhere: URL

  /// The tool with models and examples beside it, as a tarball has them, and an empty folder.
  init() throws {
    let files = FileManager.default
    elsewhere = folder.appending(path: "elsewhere")
    try files.createDirectory(at: elsewhere, withIntermediateDirectories: true)
    for name in ["models", "examples"] {
      try files.copyItem(
        at: Command.repository.appending(path: name), to: folder.appending(path: name))
    }
    try files.copyItem(
      at: Command.products.appending(path: "epsim"), to: folder.appending(path: "epsim"))
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  private func run(_ program: String, _ arguments: String...) throws -> Command {
    try Command.run(program, arguments, in: elsewhere)
  }

  @Test("models beside the tool are found from any folder, through a link too")
  func models() throws {
    try FileManager.default.createSymbolicLink(
      atPath: elsewhere.appending(path: "linked").path, withDestinationPath: "../epsim")
    for program in ["../epsim", "linked"] {
      let outcome = try run(program, "model", "tiny")
      #expect(outcome.exitCode == 0, "\(outcome.error)")
      #expect(outcome.output.contains("tiny"))
    }
  }

  @Test("an example that is not here is taken from beside the tool")
  func examples() throws {
    let trace = "examples/traces/deepseek-v2-lite-law.safetensors"
    let arguments = ["--model", "deepseek-v2-lite", "--ranks", "4", "--workload", trace]
    let outcome = try Command.run("../epsim", ["traffic"] + arguments, in: elsewhere)
    #expect(outcome.exitCode == 0, "\(outcome.error)")

    // A file that is here goes first, even a bad one.
    let own = elsewhere.appending(path: trace)
    try FileManager.default.createDirectory(
      at: own.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data("no trace".utf8).write(to: own)
    let refused = try Command.run("../epsim", ["traffic"] + arguments, in: elsewhere)
    #expect(refused.exitCode == 2)
    #expect(refused.error.contains(trace), "\(refused.error)")
  }

  @Test("a file that is nowhere is named as it was written")
  func missing() throws {
    let outcome = try run(
      "../epsim", "traffic", "--ranks", "4", "--workload", "examples/none.safetensors")
    #expect(outcome.exitCode == 2)
    #expect(outcome.error.contains("trace examples/none.safetensors: there is no such file"))
  }

  @Test("an option that the packing script does not know is refused before anything is built")
  func unknownOption() throws {
    let outcome = try Command.run("scripts/dist", ["--fast"])
    #expect(outcome.exitCode == 2)
    #expect(outcome.error == "dist: '--fast' is unknown; usage: scripts/dist [--portable]\n")
  }
}
