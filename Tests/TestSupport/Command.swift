// SPDX-License-Identifier: Apache-2.0
// epsim: runs a command and takes down what it said.

public import Foundation

/// A command that has ended.
public struct Command: Sendable {
  /// What it returned; 128 + signal for a crash.
  public let exitCode: Int32
  /// Its standard output.
  public let output: String
  /// Its standard error.
  public let error: String
  /// How long it ran.
  public let seconds: Double

  /// The root of the repository that this file was compiled in.
  public static let repository = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// Directory of the built products, among them this test process.
  public static var products: URL {
    URL(filePath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent()
  }

  /// Runs a program to its end.
  ///
  /// - Parameters:
  ///   - program: a path; a relative one starts at `directory`.
  ///   - arguments: its arguments.
  ///   - environment: variables on top of those that this process was started with.
  ///   - directory: where it runs; the repository unless given.
  public static func run(
    _ program: String, _ arguments: [String], environment: [String: String] = [:],
    in directory: URL = repository
  ) throws -> Command {
    try RunningCommand(program, arguments, environment: environment, in: directory).end()
  }

  /// The variables that this process was started with.
  ///
  /// MPI adds variables when it starts, and a launcher that inherits them believes to be a rank.
  static func startingEnvironment() throws -> [String: String] {
    #if os(Linux)
      let text = String(
        decoding: try Data(contentsOf: URL(filePath: "/proc/self/environ")), as: UTF8.self)
      let pairs = text.split(separator: "\0").map { line in
        let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
      }
      return Dictionary(pairs) { $1 }
    #else
      return ProcessInfo.processInfo.environment
    #endif
  }
}
