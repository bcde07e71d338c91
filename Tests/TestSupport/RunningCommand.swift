// SPDX-License-Identifier: Apache-2.0
// epsim: a command that runs, with the processes that it has started.

public import Foundation

/// A command that was started and takes signals, like one that a person starts.
///
/// What is still running when the last reference goes away is killed, so that a failing test leaves
/// nothing behind.
public final class RunningCommand {
  private let process = Process()
  private let folder = FileManager.default.temporaryDirectory.appending(path: "epsim-\(UUID())")
  /// Files, not pipes: a full pipe would stop the program.
  private let output: URL
  private let error: URL
  private let start: ContinuousClock.Instant

  /// Starts a program; parameters as in ``Command/run(_:_:environment:in:)``.
  public init(
    _ program: String, _ arguments: [String], environment: [String: String] = [:],
    in directory: URL = Command.repository
  ) throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    (output, error) = (folder.appending(path: "output"), folder.appending(path: "error"))
    for file in [output, error] { try Data().write(to: file) }
    process.executableURL =
      program.hasPrefix("/") ? URL(filePath: program) : directory.appending(path: program)
    process.arguments = arguments
    process.currentDirectoryURL = directory
    process.environment = try Command.startingEnvironment().merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try FileHandle(forWritingTo: output)
    process.standardError = try FileHandle(forWritingTo: error)
    start = ContinuousClock.now
    try withoutBlockedSignals { try process.run() }
  }

  deinit {
    if process.isRunning {
      for (identifier, _) in (try? descendants()) ?? [] { kill(identifier, SIGKILL) }
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
    try? FileManager.default.removeItem(at: folder)
  }

  /// Whether it has not ended yet.
  public var isRunning: Bool { process.isRunning }

  /// Waits until it ends.
  public func end() throws -> Command {
    process.waitUntilExit()
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let signalled = process.terminationReason == .uncaughtSignal
    return Command(
      exitCode: process.terminationStatus + (signalled ? 128 : 0),
      output: String(decoding: try Data(contentsOf: output), as: UTF8.self),
      error: String(decoding: try Data(contentsOf: error), as: UTF8.self), seconds: seconds)
  }

  /// Waits until it ends, for so long at most; nil where it is still running then.
  public func end(within seconds: Double) throws -> Command? {
    wait(seconds) { !process.isRunning } ? try end() : nil
  }

  /// Waits while it runs until something holds, for so long at most.
  /// - Returns: whether it holds.
  public func wait(_ seconds: Double, until holds: () throws -> Bool) rethrows -> Bool {
    let limit = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < limit {
      if try holds() { return true }
      guard process.isRunning else { return try holds() }
      usleep(2_000)
    }
    return try holds()
  }

  /// Sends a signal to the command itself.
  public func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

  /// Sends a signal to one of its processes.
  public func send(_ signal: Int32, to identifier: Int32) { kill(identifier, signal) }

  /// Processes that it has started, directly or not, and that run this program, in the order in
  /// which they were started: under a launcher that is the order of ranks.
  public func processes(running program: String) throws -> [Int32] {
    try descendants().filter { $0.command == program || $0.command.hasPrefix(program + " ") }
      .map(\.identifier)
  }

  /// All processes beneath this one, ascending.
  private func descendants() throws -> [(identifier: Int32, command: String)] {
    let table = try Command.run("/bin/ps", ["-axo", "pid=,ppid=,args="]).output
    let rows = table.split(separator: "\n").compactMap { line -> (Int32, Int32, String)? in
      let words = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: true)
      guard words.count == 3, let own = Int32(words[0]), let parent = Int32(words[1]) else {
        return nil
      }
      return (own, parent, String(words[2]).trimmingCharacters(in: .whitespaces))
    }
    var found: [Int32: String] = [:]
    var parents: Set<Int32> = [process.processIdentifier]
    while !parents.isEmpty {
      let children = rows.filter { parents.contains($0.1) && found[$0.0] == nil }
      for child in children { found[child.0] = child.2 }
      parents = Set(children.map(\.0))
    }
    return found.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }
}
