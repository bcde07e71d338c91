// SPDX-License-Identifier: Apache-2.0
// epsim: starts the tests of allocations in ranks whose allocations are counted.

import Foundation
import TestSupport
import Testing

/// The library that counts, compiled when it is needed.
private enum CountingLibrary {
  static let built: Result<URL, Obstacle> = {
    #if canImport(Glibc)
      let library = FileManager.default.temporaryDirectory.appending(
        path: "epsim-count-\(ProcessInfo.processInfo.processIdentifier).so")
      do {
        let outcome = try Command.run(
          "/bin/sh",
          [
            "-c",
            """
            exec "${CC:-cc}" -std=c11 -Wall -Wextra -Werror -O1 -shared -fPIC -o "$1" \
              Tests/Allocations/count_allocations.c
            """, "sh", library.path,
          ])
        // 127: there is no compiler.
        if outcome.exitCode == 127 { return .failure(Obstacle(text: "there is no C compiler")) }
        guard outcome.exitCode == 0 else { fatalError(outcome.error) }
        return .success(library)
      } catch {
        return .failure(Obstacle(text: "\(error)"))
      }
    #else
      return .failure(Obstacle(text: "allocations are counted with glibc only"))
    #endif
  }()

  struct Obstacle: Error { let text: String }

  static var obstacle: String? {
    if case .failure(let obstacle) = built { obstacle.text } else { nil }
  }
}

@Suite(
  .enabled(
    if: CountingLibrary.obstacle == nil, "needs a C compiler and glibc: allocations are counted"))
struct AllocationLaunchTests {
  @Test("no scheme allocates between the stamps of a steady step on two ranks")
  func steadySteps() throws {
    let library = try CountingLibrary.built.get()
    defer { try? FileManager.default.removeItem(at: library) }
    let outcome = try Command.run(
      "scripts/launch",
      [
        "-n", "2", "--timeout", "100", "-x", "LD_PRELOAD=\(library.path)", "--",
        CommandLine.arguments[0], "--testing-library", "swift-testing", "--no-parallel",
        "--filter", "ExpertParallelTests.AllocationTests",
      ])
    let lines = outcome.output.split(separator: "\n").filter { $0.hasPrefix("allocations: ") }
    #expect(outcome.exitCode == 0 && lines.count == 6, "\(outcome.output)\n\(outcome.error)")
    for line in lines { print(line) }
  }
}
