// SPDX-License-Identifier: Apache-2.0
// epsim: starts a command on one process or on all ranks, and ends it with the right exit code.

internal import ArgumentParser
internal import ExpertParallel
internal import Foundation
internal import MPI
internal import MoE

/// A command that all ranks run together.
protocol DistributedCommand: ParsableCommand {
  /// Runs the command. Collective.
  /// - Parameter arguments: the command line that it was parsed from, for the record.
  func run(arguments: [String], on comm: borrowing Communicator) throws
}

/// Starts commands. Exit codes: 0 success, 2 bad input, 1 a failed run.
enum Launch {
  private static let distributedCommands = ["run", "compare", "calibrate", "validate", "rebalance"]

  static func start(_ arguments: [String]) -> Never {
    // Every rank decides by the words alone, for only rank 0 reads the configuration file.
    let command = ConfigFile.firstWord(arguments) ?? ""
    let asksForHelp = !Set(arguments).isDisjoint(with: ["--help", "-h", "--version"])
    if distributedCommands.contains(command) && !asksForHelp { startOnAllRanks(arguments) }
    // Everything else is one process's work: under a launcher, the first rank does it.
    guard (MPIEnvironment.launchedRank ?? 0) == 0 else { exit(0) }
    do {
      var command = try EPSim.parseAsRoot(try ConfigFile.expand(arguments))
      try command.run()
    } catch {
      exit(report(error))
    }
    exit(0)
  }

  private static func startOnAllRanks(_ arguments: [String]) -> Never {
    let isFirst = (MPIEnvironment.launchedRank ?? 0) == 0
    do {
      let environment = try MPIEnvironment()
      let code = runOnAllRanks(arguments)
      try environment.finalize()
      exit(code)
    } catch {
      // MPI itself does not work: nothing can be agreed any more.
      if isFirst { printError("\(error)") }
      MPIEnvironment.abort(code: 1)
    }
  }

  private static func runOnAllRanks(_ arguments: [String]) -> Int32 {
    let comm = Communicator.world
    if let launched = MPIEnvironment.launchedSize, launched > 1, comm.size == 1 {
      // The launcher belongs to another MPI library: only its first process speaks.
      if (MPIEnvironment.launchedRank ?? 0) == 0 {
        printError(
          "the launcher started \(launched) processes, but each believes to be alone; start epsim "
            + "with the mpirun of the library that it was built with "
            + "(\(MPIEnvironment.libraryVersion))")
      }
      return 2
    }
    do {
      // Only rank 0 needs to see the configuration file.
      let expanded = try comm.agree(classify: exitCode) {
        comm.rank == 0 ? try ConfigFile.expand(arguments) : []
      }
      let shared = try comm.broadcast(expanded.joined(separator: "\u{1F}"), root: 0)
        .split(separator: "\u{1F}", omittingEmptySubsequences: false).map(String.init)
      let command = try EPSim.parseAsRoot(shared)
      guard let distributed = command as? any DistributedCommand else {
        throw InputError("\(shared[0]) does not run on several ranks")
      }
      try distributed.run(arguments: shared, on: comm)
      return 0
    } catch let error where error is MPIError || error is ExchangeDisagreement {
      // The ranks no longer agree on anything: the job is over.
      printError("rank \(comm.rank): \(error)")
      MPIEnvironment.abort(code: 1)
    } catch {
      // Parsing is the same everywhere and the rest is agreed, so every rank has thrown this;
      // only what rank 0 alone checks after the run (record, counters) is its own.
      return comm.rank == 0 ? report(error) : Int32(exitCode(error))
    }
  }

  /// Says what went wrong, or prints the help that was asked for.
  private static func report(_ error: any Error) -> Int32 {
    let code = exitCode(error)
    if code == 0 {
      print(EPSim.fullMessage(for: error))
    } else if isOwn(error) {
      printError("\(error)")
    } else {
      printError(EPSim.message(for: error) + " (see epsim --help)")
    }
    return Int32(code)
  }

  private static func isOwn(_ error: any Error) -> Bool {
    error is InputError || error is AgreedError || error is RunFailure
  }

  /// 2 for bad input, 1 for a failed run, 0 where help was asked for.
  static func exitCode(_ error: any Error) -> Int {
    switch error {
    case let agreed as AgreedError: agreed.category
    case is InputError: 2
    case is RunFailure: 1
    default: EPSim.exitCode(for: error) == .success ? 0 : error is CocoaError ? 1 : 2
    }
  }

  /// One sentence on stderr.
  static func printError(_ sentence: String) {
    let line = sentence.split(separator: "\n").joined(separator: " ")
    FileHandle.standardError.write(Data("epsim: \(line)\n".utf8))
  }
}

/// A run that went wrong although its input was good.
struct RunFailure: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
